/** Every target of `deploy` there is. */
import { dynamo } from './dynamo.ts';
import { smg } from './smg.ts';
import type { DeployTarget } from './target.ts';

/** The first one is taken where none is named. */
export const DEPLOY_TARGETS: readonly [DeployTarget, ...DeployTarget[]] = [smg, dynamo];
