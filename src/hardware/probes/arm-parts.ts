/**
 * Answers: the name of an Arm core, which the kernel reports as two numbers only.
 * Source: arch/arm64/include/asm/cputype.h of Linux 6.12 and `lscpu-arm.c` of util-linux 2.40.
 */
import type { ArmIdentity } from './cpu-info.ts';

const ARM = 0x41;
const AMPERE = 0xc0;
const NVIDIA = 0x4e;
const QUALCOMM = 0x51;
const HISILICON = 0x48;
const FUJITSU = 0x46;

const PARTS: ReadonlyMap<number, ReadonlyMap<number, string>> = new Map([
  [
    ARM,
    new Map([
      [0xd03, 'Cortex-A53'],
      [0xd04, 'Cortex-A35'],
      [0xd05, 'Cortex-A55'],
      [0xd07, 'Cortex-A57'],
      [0xd08, 'Cortex-A72'],
      [0xd09, 'Cortex-A73'],
      [0xd0a, 'Cortex-A75'],
      [0xd0b, 'Cortex-A76'],
      [0xd0c, 'Neoverse-N1'],
      [0xd0d, 'Cortex-A77'],
      [0xd40, 'Neoverse-V1'],
      [0xd41, 'Cortex-A78'],
      [0xd42, 'Cortex-A78AE'],
      [0xd44, 'Cortex-X1'],
      [0xd46, 'Cortex-A510'],
      [0xd47, 'Cortex-A710'],
      [0xd48, 'Cortex-X2'],
      [0xd49, 'Neoverse-N2'],
      [0xd4d, 'Cortex-A715'],
      [0xd4e, 'Cortex-X3'],
      [0xd4f, 'Neoverse-V2'],
      [0xd80, 'Cortex-A520'],
      [0xd81, 'Cortex-A720'],
      [0xd82, 'Cortex-X4'],
      [0xd83, 'Neoverse-V3AE'],
      [0xd84, 'Neoverse-V3'],
      [0xd85, 'Cortex-X925'],
      [0xd87, 'Cortex-A725'],
      [0xd8e, 'Neoverse-N3'],
    ]),
  ],
  [
    AMPERE,
    new Map([
      [0xac3, 'Ampere-1'],
      [0xac4, 'Ampere-1a'],
    ]),
  ],
  [NVIDIA, new Map([[0x004, 'Carmel']])],
  [QUALCOMM, new Map([[0x001, 'Oryon']])],
  [
    HISILICON,
    new Map([
      [0xd01, 'TaiShan-v110'],
      [0xd02, 'TaiShan-v120'],
    ]),
  ],
  [FUJITSU, new Map([[0x001, 'A64FX']])],
]);

/** `Cortex-A76 (Raspberry Pi 5 Model B Rev 1.0)`; `null` for parts that are not in the table. */
export function armModelName({ parts, board }: ArmIdentity): string | null {
  const names = parts.flatMap(({ implementer, part }) => PARTS.get(implementer)?.get(part) ?? []);
  if (names.length === 0) return board;
  const cores = names.join(' + ');
  return board === null ? cores : `${cores} (${board})`;
}
