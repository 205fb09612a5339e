/** Which known names are offered for a mistyped one. */
import * as fc from '../../support/property.ts';
import { describe, expect, it } from 'vitest';
import { nearestNames } from '../../../src/base/suggest.ts';

const COMMANDS = ['generate', 'plan', 'info', 'ps', 'stop', 'list', 'engines', 'doctor', 'bench'];
const near = (name: string): readonly string[] =>
  nearestNames(name, COMMANDS, { count: 2, isAnyDistance: false });

describe('nearestNames', () => {
  it.each([
    ['generat', 'generate'],
    ['genearte', 'generate'],
    ['GENERATE', 'generate'],
    ['doktor', 'doctor'],
    ['lsit', 'list'],
    ['eng', 'engines'],
  ])('offers for %s the name %s first', (typed, meant) => {
    expect(near(typed)[0]).toBe(meant);
  });

  it('offers nothing for a word far from all', () => {
    expect(near('xylophone')).toEqual([]);
  });

  it('offers the nearest at any distance where the caller always wants some', () => {
    expect(nearestNames('xylophone', COMMANDS, { count: 3, isAnyDistance: true })).toHaveLength(3);
  });

  it('finds the name itself first, whatever else is known', () => {
    const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), {
      minLength: 1,
      maxLength: 8,
      selector: (name) => name.toLowerCase(),
    });
    fc.assert(
      fc.property(names, fc.nat(), (known, at) => {
        const name = known[at % known.length] ?? '';
        expect(nearestNames(name, known, { count: 1, isAnyDistance: false })).toEqual([name]);
      }),
    );
  });

  it('finds a name after any one slip: a letter lost, doubled or two swapped', () => {
    const slip = fc.tuple(fc.constantFrom(...COMMANDS), fc.nat(), fc.nat({ max: 2 }));
    fc.assert(
      fc.property(slip, ([name, place, kind]) => {
        fc.pre(name.length > 3);
        const at = place % (name.length - 1);
        const [a = '', b = ''] = [name[at], name[at + 1]];
        const typed =
          kind === 0
            ? name.slice(0, at) + name.slice(at + 1)
            : kind === 1
              ? name.slice(0, at) + a + name.slice(at)
              : name.slice(0, at) + b + a + name.slice(at + 2);
        expect(near(typed)).toContain(name);
      }),
    );
  });
});
