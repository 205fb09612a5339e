/* Reference for src/hardware/bandwidth.ts: the same working set read and triad-ed by C threads.
   usage: bandwidth-check BYTES THREADS MILLISECONDS  →  "read R\ntriad T\n" in bytes a second */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHUNK = 4 * 1024 * 1024 };

static pthread_barrier_t gate;
static double duration_s;
static int is_triad;

struct share {
  char *start;
  size_t bytes;
  double moved;
  double started_s;
  double ended_s;
  uint64_t sink;
};

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t read_chunk(const uint64_t *words, size_t count) {
  uint64_t sum = 0;
  for (size_t i = 0; i < count; i++) sum ^= words[i];
  return sum;
}

static void triad_chunk(double *restrict a, const double *restrict b, const double *restrict c,
                        size_t count) {
  for (size_t i = 0; i < count; i++) a[i] = b[i] + 3.0 * c[i];
}

static void *work(void *pointer) {
  struct share *share = pointer;
  pthread_barrier_wait(&gate);
  share->started_s = share->ended_s = now_s();
  share->moved = 0;
  size_t position = 0;
  while (share->ended_s - share->started_s < duration_s) {
    size_t size = share->bytes - position < CHUNK ? share->bytes - position : CHUNK;
    char *start = share->start + position;
    if (is_triad) {
      size_t third = size / 3 / 128 * 128;
      triad_chunk((double *)start, (double *)(start + third), (double *)(start + 2 * third),
                  third / sizeof(double));
      share->moved += 3.0 * (double)third;
    } else {
      share->sink ^= read_chunk((const uint64_t *)start, size / sizeof(uint64_t));
      share->moved += (double)size;
    }
    position += size;
    if (position >= share->bytes) position = 0;
    share->ended_s = now_s();
  }
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  size_t bytes = strtoull(argv[1], NULL, 10);
  int threads = atoi(argv[2]);
  duration_s = atof(argv[3]) / 1000;
  char *memory = aligned_alloc(4096, bytes / 4096 * 4096);
  if (memory == NULL || threads < 1 || threads > 1024) return 1;
  memset(memory, 0x5a, bytes);
  pthread_barrier_init(&gate, NULL, (unsigned)threads);
  pthread_t *ids = calloc((size_t)threads, sizeof *ids);
  struct share *shares = calloc((size_t)threads, sizeof *shares);
  for (is_triad = 0; is_triad < 2; is_triad++) {
    double best = 0;
    for (int round = 0; round < 8; round++) {
      size_t part = bytes / (size_t)threads / 128 * 128;
      for (int i = 0; i < threads; i++) {
        shares[i].start = memory + part * (size_t)i;
        shares[i].bytes = part;
        pthread_create(&ids[i], NULL, work, &shares[i]);
      }
      double moved = 0, started = 1e300, ended = 0;
      for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        moved += shares[i].moved;
        if (shares[i].started_s < started) started = shares[i].started_s;
        if (shares[i].ended_s > ended) ended = shares[i].ended_s;
      }
      double rate = moved / (ended - started);
      if (rate > best) best = rate;
    }
    printf("%s %.0f\n", is_triad ? "triad" : "read", best);
  }
  uint64_t sink = 0;
  for (int i = 0; i < threads; i++) sink ^= shares[i].sink;
  return sink == 1 ? 3 : 0;
}
