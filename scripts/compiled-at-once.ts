/**
 * Rewrites a file so that V8 compiles its functions together with it, instead of each at its first
 * call. Node's compile cache keeps what was compiled when the file was loaded: a function compiled
 * later is compiled again at every start, which took a quarter of what `info` did.
 *
 * V8 takes a function in parentheses for one that is about to be called. Methods of classes cannot
 * be written like that and stay as they are.
 */
import { RolldownMagicString } from 'rolldown';
import { parseAst } from 'rolldown/parseAst';
import { Visitor } from 'rolldown/utils';

export function compiledAtOnce(code: string): string {
  const text = new RolldownMagicString(code);
  const program = parseAst(code);
  const wrap = ({ start, end }: { readonly start: number; readonly end: number }): void => {
    text.appendRight(start, '(').appendLeft(end, ')');
  };
  const methods = new Set<unknown>();
  new Visitor({
    MethodDefinition: ({ value }) => void methods.add(value),
    Property: ({ value, method, kind }) => {
      if (method || kind !== 'init') methods.add(value);
    },
    FunctionExpression: (node) => {
      if (!methods.has(node)) wrap(node);
    },
    ArrowFunctionExpression: wrap,
  }).visit(program);
  for (const node of program.body) {
    if (node.type !== 'FunctionDeclaration' || node.id === null) continue;
    text.appendRight(node.start, `var ${node.id.name}=(`).appendLeft(node.end, ');\n');
    // What was declared could be called above its place; a variable cannot.
    text.move(node.start, node.end, 0);
  }
  return text.toString();
}
