/**
 * Answers: which cards the user or a scheduler has set aside for this process by environment
 * variable. Others are not ours to plan with. Rules: CUDA C++ Programming Guide, "CUDA Environment
 * Variables"; ROCm documentation, "GPU isolation techniques".
 */

export interface Card {
  readonly index: number;
  /** `GPU-…`; `null` = not known. */
  readonly uuid: string | null;
}

/**
 * `CUDA_VISIBLE_DEVICES`: indices or the start of a UUID; everything after the first entry that is
 * neither is void. A part of a card (`MIG-…`) does not say which card, so it hides none.
 */
export function isVisibleCuda(card: Card, env: NodeJS.ProcessEnv): boolean {
  return isListed(card, env['CUDA_VISIBLE_DEVICES']);
}

/** ROCm reads three variables, each of which may hide cards. */
export function isVisibleRocm(card: Card, env: NodeJS.ProcessEnv): boolean {
  return ['ROCR_VISIBLE_DEVICES', 'HIP_VISIBLE_DEVICES'].every((name) => isListed(card, env[name]));
}

function isListed(card: Card, list: string | undefined): boolean {
  if (list === undefined || list.includes('MIG-')) return true;
  for (const entry of list.split(',').map((part) => part.trim())) {
    if (/^\d+$/.test(entry)) {
      if (Number(entry) === card.index) return true;
    } else if (/^GPU-/i.test(entry)) {
      if (card.uuid?.toLowerCase().startsWith(entry.toLowerCase()) === true) return true;
    } else return false;
  }
  return false;
}
