/**
 * Answers: which cases property tests try. By default the same in every run, so that a red run is
 * about the change at hand; `HYPERLLAMA_TEST_SEED=random` or `=NUMBER` and `npm run test:full` look
 * for new ones.
 */
import { configureGlobal } from 'fast-check';

const isFull = process.env['HYPERLLAMA_TEST_SIZE'] === 'full';
const asked = process.env['HYPERLLAMA_TEST_SEED'] ?? (isFull ? 'random' : '1');
if (asked !== 'random') configureGlobal({ seed: Number.parseInt(asked, 10) });

export * from 'fast-check';
export { default } from 'fast-check';
