/** Answers: per engine, installed or not, usable on this machine or why not. For info and engines. */
import { machineReasons } from '../engines/shared/usable.ts';
import type { Engine, Installation, InstallGuide, Reason } from '../engines/engine.ts';
import type { Machine } from '../hardware/machine.ts';

export interface EngineRow {
  readonly id: string;
  readonly name: string;
  readonly installed: boolean;
  /** Of what is installed; `null` when nothing is. */
  readonly version: string | null;
  /** The release this version of HyperLlama installs. */
  readonly newest: string;
  /** Can run on this machine once installed. */
  readonly usable: boolean;
  /** `false`: known, but this version of HyperLlama cannot start it. */
  readonly isDriven: boolean;
  /** From the configuration; a server there is unmanaged: never started or stopped by us. */
  readonly custom: 'command' | 'server' | null;
  /** Where such a server is; `null` = it is none. */
  readonly url: string | null;
  /** Why it is not usable; empty when it is. */
  readonly reasons: readonly Reason[];
}

/** With what lies on the disk, and what an install or an update would bring. */
export interface EngineSizes extends EngineRow {
  /** All versions and builds of it that we installed; `null` when there is none. */
  readonly bytesOnDisk: number | null;
  /** To download for `newest` on this machine; `null` when it is there or cannot be had. */
  readonly bytesToInstall: number | null;
  /** On disk, for the same; `null` likewise. */
  readonly bytesNeeded: number | null;
  /** How a person gets a build that none of our locks has; `null` where one has it. */
  readonly guide: Pick<InstallGuide, 'because' | 'hint'> | null;
}

export function engineRows(
  engines: readonly Engine[],
  facts: { machine: Machine; installations: ReadonlyMap<string, Installation> },
): readonly EngineRow[] {
  return engines.map((engine) => {
    const installation = facts.installations.get(engine.id) ?? null;
    const reasons = machineReasons(engine, facts.machine);
    const { custom } = engine;
    return {
      id: engine.id,
      name: engine.name,
      // What the configuration names is somebody else's to install.
      installed: custom === undefined ? installation !== null : reasons.length === 0,
      version: installation?.version ?? null,
      newest: engine.versionPinned,
      usable: reasons.length === 0,
      isDriven: engine.isDriven,
      custom: custom?.kind ?? null,
      url: custom?.kind === 'server' ? custom.server.url : null,
      reasons,
    };
  });
}
