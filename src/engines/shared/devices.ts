/**
 * Answers: on which devices of this machine an engine could compute, best first, and how much
 * memory each has for it.
 */
import {
  memoryBytesCapacity,
  memoryBytesUsable,
  type Accelerator,
  type Machine,
} from '../../hardware/machine.ts';
import type { DeviceKind } from '../engine.ts';
import { GIB } from '../../base/units.ts';

export interface Target {
  readonly device: DeviceKind;
  /** The cards used together; empty on the CPU. */
  readonly cards: readonly Accelerator[];
}

/**
 * Slower integrated GPUs are display adapters: they share the memory with the CPU, which can use all
 * of what two channels of laptop memory give (about 90 GB/s of DDR5).
 */
const INTEGRATED_BANDWIDTH_MIN = 100e9;

/** A card worth computing on, whoever can drive it. */
export function isComputeCard(card: Accelerator): boolean {
  if (card.vendor === 'other') return false;
  if (card.class !== 'integrated') return true;
  if (card.vendor === 'apple' || card.vendor === 'nvidia') return true;
  return (card.bandwidthBytesPerSecond ?? 0) >= INTEGRATED_BANDWIDTH_MIN;
}

/** The machine's compute cards as one target a vendor, the one with most memory first. */
export function acceleratorTargets(machine: Machine): readonly Target[] {
  const byDevice = new Map<DeviceKind, Accelerator[]>();
  for (const card of machine.accelerators) {
    if (card.vendor === 'other' || !isComputeCard(card)) continue;
    byDevice.set(card.vendor, [...(byDevice.get(card.vendor) ?? []), card]);
  }
  return [...byDevice]
    .map(([device, cards]) => ({ device, cards }))
    .sort((a, b) => totalBytes(b.cards) - totalBytes(a.cards));
}

function totalBytes(cards: readonly Accelerator[]): number {
  return cards.reduce((sum, card) => sum + (card.memoryBytesTotal ?? 0), 0);
}

/** Free bytes of one card for a new engine; `null` = unknown. */
export function cardBytesFree(machine: Machine, card: Accelerator): number | null {
  const known = card.memoryBytesFree ?? card.memoryBytesTotal;
  if (card.memoryKind !== 'unified') return known;
  const usable = memoryBytesUsable(machine);
  const limit = card.vendor === 'apple' ? metalBytesMax(card, machine) : known;
  const bounds = [usable, limit].filter((bytes) => bytes !== null);
  return bounds.length === 0 ? null : Math.min(...bounds);
}

/**
 * What Metal lets the GPU hold, its recommendedMaxWorkingSetSize: two thirds of the memory up to
 * 36 GB and three quarters above, as llama.cpp prints it at start (11,453 MB of 16 GiB, 51,539 MB
 * of 64 GiB).
 */
function metalBytesMax(card: Accelerator, machine: Machine): number | null {
  const total = card.memoryBytesTotal ?? memoryBytesCapacity(machine);
  if (total === null) return null;
  return Math.floor(total > 36 * GIB ? (total * 3) / 4 : (total * 2) / 3);
}

/** Free bytes of a target: of all its cards together, or the machine's main memory. */
export function targetBytesFree(machine: Machine, target: Target): number | null {
  if (target.device === 'cpu') return memoryBytesUsable(machine);
  const free = target.cards.map((card) => cardBytesFree(machine, card));
  return free.some((bytes) => bytes === null)
    ? null
    : free.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0);
}

export function describeTarget(target: Target): string {
  const [first] = target.cards;
  if (first === undefined) return 'main memory';
  if (target.cards.length === 1) return first.name;
  return `${target.cards.length}× ${first.name}`;
}
