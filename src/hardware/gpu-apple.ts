/**
 * Answers: memory bandwidth of Apple's chips, which share their memory between CPU and GPU.
 * Source: the technical specifications of the Macs they are sold in (support.apple.com), M5 Pro and
 * M5 Max from the press release of March 2026.
 */

export interface AppleChip {
  /** 1 for M1 … */
  readonly generation: number;
  /** Gigabytes (10⁹ bytes) a second; `null` where the name does not settle it. */
  readonly bandwidthGbps: number | null;
}

const BANDWIDTH_GBPS: Readonly<Record<string, number>> = {
  M1: 68.3,
  'M1 Pro': 200,
  'M1 Max': 400,
  'M1 Ultra': 800,
  M2: 100,
  'M2 Pro': 200,
  'M2 Max': 400,
  'M2 Ultra': 800,
  M3: 100,
  'M3 Pro': 150,
  'M3 Ultra': 819,
  M4: 120,
  'M4 Pro': 273,
  M5: 153.6,
  'M5 Pro': 307,
};

/**
 * Two chips of one name: the one with fewer GPU cores has a narrower memory bus. Memory sizes are
 * sold with one of them only, except 36 and 96 GiB with the smaller M3 Max alone.
 */
const TWO_CHIPS: Readonly<
  Record<
    string,
    { readonly smallGib: readonly number[]; readonly small: number; readonly large: number }
  >
> = {
  'M3 Max': { smallGib: [36, 96], small: 300, large: 400 },
  'M4 Max': { smallGib: [36], small: 410, large: 546 },
  'M5 Max': { smallGib: [36], small: 460, large: 614 },
};

/** `Apple M3 Max` with its memory; `null` for anything that is not an M chip. */
export function appleChip(brand: string, memoryGib: number | null): AppleChip | null {
  const match = /^Apple (M(\d{1,2})(?: (?:Pro|Max|Ultra))?)$/.exec(brand.trim());
  if (match === null) return null;
  const [, chip = '', generation = ''] = match;
  const pair = TWO_CHIPS[chip];
  const bandwidthGbps =
    pair === undefined
      ? (BANDWIDTH_GBPS[chip] ?? null)
      : memoryGib === null
        ? null
        : pair.smallGib.includes(memoryGib)
          ? pair.small
          : pair.large;
  return { generation: Number(generation), bandwidthGbps };
}
