/**
 * Answers: class, memory, memory bandwidth and target of AMD and Intel GPUs.
 * Sources: the vendors' product pages (memory, bandwidth), LLVM's AMDGPU processor table (gfx),
 * pci.ids 2026.08.22 (device numbers), amdgpu.ids of libdrm (revisions).
 */
import { gpuRows, type GpuRow } from './gpu-row.ts';

const C = 'consumer';
const W = 'workstation';
const D = 'data-centre';
const I = 'integrated';

export const AMD_GPUS: readonly GpuRow[] = gpuRows([
  // CDNA. The two halves of an MI250 and MI250X are two devices of 64 GiB each.
  ['Instinct MI100', [0x738c, 0x738e], D, 32, 1229, 'gfx908'],
  ['Instinct MI210', [0x740f], D, 64, 1638, 'gfx90a'],
  ['Instinct MI250', [0x740c], D, 64, 1638, 'gfx90a'],
  ['Instinct MI250X', [0x7408], D, 64, 1638, 'gfx90a'],
  ['Instinct MI300A', [0x74a0], D, 128, 5300, 'gfx942'],
  ['Instinct MI300X', [0x74a1, 0x74a9, 0x74b5, 0x74bd], D, 192, 5300, 'gfx942'],
  ['Instinct MI308X', [0x74a2, 0x74a8, 0x74b6], D, 192, 5300, 'gfx942'],
  ['Instinct MI325X', [0x74a5, 0x74b9], D, 256, 6000, 'gfx942'],
  ['Instinct MI350X', [0x75a0, 0x75b0], D, 288, 8000, 'gfx950'],
  ['Instinct MI355X', [0x75a3, 0x75b3], D, 288, 8000, 'gfx950'],
  // RDNA 2
  ['Radeon RX 6400', [0x743f], C, 4, 128, 'gfx1034', [0xc7, 0xd7]],
  ['Radeon RX 6500 XT', [0x743f], C, 4, 144, 'gfx1034', [0xc1]],
  ['Radeon RX 6600', [0x73ff], C, 8, 224, 'gfx1032', [0xc7]],
  ['Radeon RX 6600 XT', [0x73ff], C, 8, 256, 'gfx1032', [0xc1]],
  ['Radeon RX 6650 XT', [0x73ef], C, 8, 280, 'gfx1032', [0xc1]],
  ['Radeon RX 6700', [0x73df], C, 10, 320, 'gfx1031', [0xdf, 0xff]],
  ['Radeon RX 6700 XT', [0x73df], C, 12, 384, 'gfx1031', [0xc1, 0xc5]],
  ['Radeon RX 6750 XT', [0x73df], C, 12, 432, 'gfx1031', [0xc0]],
  ['Radeon RX 6800', [0x73bf], C, 16, 512, 'gfx1030', [0xc3]],
  ['Radeon RX 6800 XT', [0x73bf], C, 16, 512, 'gfx1030', [0xc1]],
  ['Radeon RX 6900 XT', [0x73bf, 0x73af], C, 16, 512, 'gfx1030', [0xc0]],
  ['Radeon RX 6950 XT', [0x73a5], C, 16, 576, 'gfx1030'],
  ['Radeon PRO W6800', [0x73a3], W, 32, 512, 'gfx1030'],
  ['Radeon PRO V620', [0x73a1, 0x73ae], D, 32, 512, 'gfx1030'],
  // RDNA 3
  ['Radeon RX 7600', [0x7480], C, 8, 288, 'gfx1102', [0xcf]],
  ['Radeon RX 7600 XT', [0x7480], C, 16, 288, 'gfx1102', [0xc0]],
  ['Radeon RX 7700 XT', [0x747e], C, 12, 432, 'gfx1101', [0xff]],
  ['Radeon RX 7800 XT', [0x747e], C, 16, 624, 'gfx1101', [0xc8]],
  ['Radeon RX 7900 GRE', [0x744c], C, 16, 576, 'gfx1100', [0xce]],
  ['Radeon RX 7900 XT', [0x744c], C, 20, 800, 'gfx1100', [0xcc]],
  ['Radeon RX 7900 XTX', [0x744c], C, 24, 960, 'gfx1100', [0xc8]],
  ['Radeon PRO W7700', [0x7470], W, 16, 576, 'gfx1101'],
  ['Radeon PRO W7800', [0x745e], W, 32, 576, 'gfx1100'],
  ['Radeon PRO W7800 48GB', [0x7449], W, 48, 864, 'gfx1100'],
  ['Radeon PRO W7900', [0x7448, 0x744a], W, 48, 864, 'gfx1100'],
  // RDNA 4
  ['Radeon RX 9060 XT', [0x7590], C, 8, 320, 'gfx1200', [0xc0]],
  ['Radeon RX 9060 XT', [0x7590], C, 16, 320, 'gfx1200', [0xc0]],
  ['Radeon RX 9070', [0x7550], C, 16, 640, 'gfx1201', [0xc3]],
  ['Radeon RX 9070 GRE', [0x7550], C, 12, 432, 'gfx1201', [0xc2]],
  ['Radeon RX 9070 XT', [0x7550], C, 16, 640, 'gfx1201', [0xc0]],
  ['Radeon AI PRO R9700', [0x7551], W, 32, 640, 'gfx1201', [0xc0]],
  // In the processor: the bandwidth is the machine's memory's, fixed only where that is soldered.
  ['Radeon 680M (Rembrandt)', [0x1681], I, null, null, 'gfx1035'],
  ['Radeon Graphics (Raphael)', [0x164e, 0x13c0], I, null, null, 'gfx1036'],
  ['Radeon 780M (Phoenix)', [0x15bf, 0x15c8, 0x1900, 0x1901], I, null, null, 'gfx1103'],
  ['Radeon 890M (Strix)', [0x150e], I, null, null, 'gfx1150'],
  ['Radeon 8060S (Strix Halo)', [0x1586], I, null, 256, 'gfx1151'],
  ['Radeon 860M (Krackan)', [0x1114, 0x1902], I, null, null, 'gfx1152'],
]);

export const INTEL_GPUS: readonly GpuRow[] = gpuRows([
  ['Arc A310', [0x56a6], C, 4, 124, null],
  ['Arc A380', [0x56a5], C, 6, 186, null],
  ['Arc A580', [0x56a2], C, 8, 512, null],
  ['Arc A750', [0x56a1], C, 8, 512, null],
  // Sold with 8 GiB (512 GB/s) and 16 GiB (560 GB/s) under one device number.
  ['Arc A770', [0x56a0], C, 8, 512, null],
  ['Arc A770', [0x56a0], C, 16, 560, null],
  ['Arc B570', [0xe20c], C, 10, 380, null],
  ['Arc B580', [0xe20b], C, 12, 456, null],
  ['Arc Pro B50', [0xe212], W, 16, 224, null],
  ['Arc Pro B60', [0xe211], W, 24, 456, null],
  ['Arc Pro B65', [0xe222], W, 32, null, null],
  ['Arc Pro B70', [0xe223], W, 32, null, null],
  ['Data Center GPU Flex 170', [0x56c0], D, 16, 576, null],
  ['Data Center GPU Max 1100', [0x0bd9, 0x0bda, 0x0bdb], D, 48, 1229, null],
  ['Data Center GPU Max 1550', [0x0bd5, 0x0bd6], D, 128, 3277, null],
  ['Arc Graphics (Meteor Lake)', [0x7d55], I, null, null, null],
  ['Arc 140T (Arrow Lake)', [0x7d51], I, null, null, null],
  ['Arc 140V (Lunar Lake)', [0x64a0], I, null, 136.5, null],
  ['Arc B390 (Panther Lake)', [0xb080, 0xb082], I, null, null, null],
]);
