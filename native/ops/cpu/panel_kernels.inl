// Block formats to panels, activations to QuantBlocks, and their product, over the lanes of vec16.h. Rows lie in
// lanes: bytes of sixteen rows are transposed as 32-bit words once, and all unpacking is then the same few operations on
// every lane. The formats' layouts are described at formats/quant_blocks.h; `p` is the first row's block.
// Included by kernels_<level>.cpp only.

namespace conclave::CONCLAVE_LEVEL {
namespace {

#if defined(__GNUC__)
#define CONCLAVE_UNROLL _Pragma("GCC unroll 8")
#else
#define CONCLAVE_UNROLL
#endif

constexpr uint32_t kLowNibbles = 0x0f0f0f0fu, kLowPairs = 0x03030303u, kLowBits = 0x01010101u, kSignBits = 0x80808080u;

/// Byte i of every lane as a float.
CONCLAVE_INLINE VecF byte_to_float(VecU words, int i) { return to_float((words >> (8 * i)) & 0xffu); }
CONCLAVE_INLINE VecF signed_byte_to_float(VecU words, int i) { return to_float(shift_right_signed(words << (24 - 8 * i), 24)); }

/// The code books as unsigned codes: value plus the format's offset.
struct Codes { uint8_t v[16]; };
constexpr Codes with_offset(const int8_t* values, int offset) {
  Codes out{};
  for (int i = 0; i < 16; ++i) out.v[i] = static_cast<uint8_t>(values[i] + offset);
  return out;
}
constexpr Codes kIq4Codes = with_offset(kIq4Values, 128), kMxfp4Codes = with_offset(kMxfp4Doubled, 16);

/// Where decoded codes go. A format's decoder announces a block, gives its scales and its eight words of codes in any
/// order, and ends it; blocks end in order. `slot` is the block's place among those under way at the same time.
struct PanelSink {
  Panel& panel;
  CONCLAVE_INLINE void begin(int, int) {}
  CONCLAVE_INLINE void code(int b, int, int word, VecU v) { store(panel.codes[b][word], v); }
  CONCLAVE_INLINE void scale(int sub, VecF v) { store(panel.scale[sub], v); }
  CONCLAVE_INLINE void minimum(int sub, VecF v) { store(panel.min[sub], v); }
  CONCLAVE_INLINE void end(int, int) {}
};

constexpr int subs_of(PanelKind kind) { return kind == PanelKind::kOffset16 || kind == PanelKind::kMin16 ? 2 : 1; }
constexpr bool has_offset(PanelKind kind) { return kind == PanelKind::kOffset16 || kind == PanelKind::kOffset32; }

/// What the integer product of a sub-block starts from: minus the offset times the sum of the activations.
template <PanelKind kKind>
CONCLAVE_INLINE VecU first_dot(const QuantBlock& x, int sub, int offset_shift) {
  if (!has_offset(kKind)) return set_u(0);
  return set_u(static_cast<uint32_t>(subs_of(kKind) == 2 ? x.minus_sum16[sub] : x.minus_sum)) << offset_shift;
}

/// One sub-block's share of the block's total. The order of these roundings is the kernels' contract: see kernels.h.
template <PanelKind kKind>
CONCLAVE_INLINE VecF add_sub(VecF total, VecU dot, int sub, const QuantBlock& x, const float* scale, const float* minimum) {
  total = sub == 0 ? to_float(dot) * load_f(scale) : fma(to_float(dot), load_f(scale), total);
  if (has_offset(kKind)) return total;
  return fma(load_f(minimum), set_f(subs_of(kKind) == 2 ? static_cast<float>(-x.minus_sum16[sub]) : x.sum), total);
}

/// Multiplies the codes as they come, so that a lone activation row (or two) need not wait for a panel to be written.
template <PanelKind kKind, int kX, int kSlots, int kOffsetShift>
struct DotSink {
  static constexpr int kSubs = subs_of(kKind), kWords = kBlock / 4 / kSubs;
  const QuantBlock* x[kX];
  VecF sum[kX];
  VecU dot[kSlots * kSubs][kX];
  alignas(64) float scales[2 * kChunkBlocks][kPanelRows];
  alignas(64) float minimums[2 * kChunkBlocks][kPanelRows];

  CONCLAVE_INLINE void begin(int b, int slot) {
    CONCLAVE_UNROLL for (int sub = 0; sub < kSubs; ++sub)
      CONCLAVE_UNROLL for (int t = 0; t < kX; ++t) dot[slot * kSubs + sub][t] = first_dot<kKind>(x[t][b], sub, kOffsetShift);
  }
  CONCLAVE_INLINE void code(int b, int slot, int word, VecU v) {
    CONCLAVE_UNROLL for (int t = 0; t < kX; ++t) {
      VecU& at = dot[slot * kSubs + word / kWords][t];
      at = dot4(at, v, x[t][b].q + 4 * word);
    }
  }
  CONCLAVE_INLINE void scale(int sub, VecF v) { store(scales[sub], v); }
  CONCLAVE_INLINE void minimum(int sub, VecF v) { store(minimums[sub], v); }
  CONCLAVE_INLINE void end(int b, int slot) {
    CONCLAVE_UNROLL for (int t = 0; t < kX; ++t) {
      VecF total = set_f(0.f);
      CONCLAVE_UNROLL for (int sub = 0; sub < kSubs; ++sub)
        total = add_sub<kKind>(total, dot[slot * kSubs + sub][t], sub, x[t][b], scales[b * kSubs + sub], minimums[b * kSubs + sub]);
      sum[t] = fma(total, set_f(x[t][b].scale), sum[t]);
    }
  }
};

// The decoders: `p` is the first row's block, kinds and offsets as the table below says. K-quants have eight blocks always.

template <class Sink>
CONCLAVE_INLINE void give_nibbles(Sink& sink, int b, const VecU piece[4]) {
  CONCLAVE_UNROLL for (int i = 0; i < 4; ++i) {
    sink.code(b, 0, i, piece[i] & kLowNibbles);
    sink.code(b, 0, i + 4, (piece[i] >> 4) & kLowNibbles);
  }
}

template <class Sink>
CONCLAVE_INLINE void give_looked_up(Sink& sink, int b, const VecU piece[4], const uint8_t* table) {
  CONCLAVE_UNROLL for (int i = 0; i < 4; ++i) {
    sink.code(b, 0, i, lookup(piece[i] & kLowNibbles, table));
    sink.code(b, 0, i + 4, lookup((piece[i] >> 4) & kLowNibbles, table));
  }
}

struct Q4_0 {
  static constexpr PanelFormat kFormat{DType::kQ4_0, PanelKind::kOffset32, 3, 32, sizeof(BlockQ4_0), nullptr, {}};
  static constexpr int kSlots = 1;
  template <class Sink>
  static CONCLAVE_INLINE void decode(const std::byte* p, size_t stride, int n_blocks, Sink& sink, const std::byte* ahead) {
    for (int b = 0; b < n_blocks; ++b, p += sizeof(BlockQ4_0)) {
      sink.begin(b, 0);
      sink.scale(b, low_half_to_float(gather_words(p, stride, ahead)));
      VecU piece[4];
      gather_pieces(p + 2, stride, piece, ahead);
      give_nibbles(sink, b, piece);
      sink.end(b, 0);
    }
  }
};

struct Q4_1 {
  static constexpr PanelFormat kFormat{DType::kQ4_1, PanelKind::kMin32, 0, 32, sizeof(BlockQ4_1), nullptr, {}};
  static constexpr int kSlots = 1;
  template <class Sink>
  static CONCLAVE_INLINE void decode(const std::byte* p, size_t stride, int n_blocks, Sink& sink, const std::byte* ahead) {
    for (int b = 0; b < n_blocks; ++b, p += sizeof(BlockQ4_1)) {
      sink.begin(b, 0);
      const VecU head = gather_words(p, stride, ahead);
      sink.scale(b, low_half_to_float(head));
      sink.minimum(b, low_half_to_float(head >> 16));
      VecU piece[4];
      gather_pieces(p + 4, stride, piece, ahead);
      give_nibbles(sink, b, piece);
      sink.end(b, 0);
    }
  }
};

template <class Sink>
CONCLAVE_INLINE void give_five_bits(Sink& sink, int b, const VecU piece[4], VecU high) {
  CONCLAVE_UNROLL for (int i = 0; i < 4; ++i) {
    sink.code(b, 0, i, (piece[i] & kLowNibbles) | bytes_of_bits(high, 4 * i, 16));
    sink.code(b, 0, i + 4, ((piece[i] >> 4) & kLowNibbles) | bytes_of_bits(high, 4 * i + 16, 16));
  }
}

struct Q5_0 {
  static constexpr PanelFormat kFormat{DType::kQ5_0, PanelKind::kOffset32, 4, 32, sizeof(BlockQ5_0), nullptr, {}};
  static constexpr int kSlots = 1;
  template <class Sink>
  static CONCLAVE_INLINE void decode(const std::byte* p, size_t stride, int n_blocks, Sink& sink, const std::byte* ahead) {
    for (int b = 0; b < n_blocks; ++b, p += sizeof(BlockQ5_0)) {
      sink.begin(b, 0);
      sink.scale(b, low_half_to_float(gather_words(p, stride, ahead)));
      VecU piece[4];
      gather_pieces(p + 6, stride, piece, ahead);
      give_five_bits(sink, b, piece, gather_words(p + 2, stride, ahead));
      sink.end(b, 0);
    }
  }
};

struct Q5_1 {
  static constexpr PanelFormat kFormat{DType::kQ5_1, PanelKind::kMin32, 0, 32, sizeof(BlockQ5_1), nullptr, {}};
  static constexpr int kSlots = 1;
  template <class Sink>
  static CONCLAVE_INLINE void decode(const std::byte* p, size_t stride, int n_blocks, Sink& sink, const std::byte* ahead) {
    for (int b = 0; b < n_blocks; ++b, p += sizeof(BlockQ5_1)) {
      sink.begin(b, 0);
      const VecU head = gather_words(p, stride, ahead);
      sink.scale(b, low_half_to_float(head));
      sink.minimum(b, low_half_to_float(head >> 16));
      VecU piece[4];
      gather_pieces(p + 8, stride, piece, ahead);
      give_five_bits(sink, b, piece, gather_words(p + 4, stride, ahead));
      sink.end(b, 0);
    }
  }
};

struct Q8_0 {
  static constexpr PanelFormat kFormat{DType::kQ8_0, PanelKind::kOffset32, 7, 32, sizeof(BlockQ8_0), nullptr, {}};
  static constexpr int kSlots = 1;
  template <class Sink>
  static CONCLAVE_INLINE void decode(const std::byte* p, size_t stride, int n_blocks, Sink& sink, const std::byte* ahead) {
    for (int b = 0; b < n_blocks; ++b, p += sizeof(BlockQ8_0)) {
      sink.begin(b, 0);
      sink.scale(b, low_half_to_float(gather_words(p, stride, ahead)));
      CONCLAVE_UNROLL for (int half = 0; half < 2; ++half) {
        VecU piece[4];
        gather_pieces(p + 2 + 16 * half, stride, piece, ahead);
        CONCLAVE_UNROLL for (int i = 0; i < 4; ++i) sink.code(b, 0, 4 * half + i, piece[i] ^ kSignBits);   // int8 + 128
      }
      sink.end(b, 0);
    }
  }
};

struct IQ4_NL {
  static constexpr PanelFormat kFormat{DType::kIQ4_NL, PanelKind::kOffset32, 7, 32, sizeof(BlockIQ4_NL), nullptr, {}};
  static constexpr int kSlots = 1;
  template <class Sink>
  static CONCLAVE_INLINE void decode(const std::byte* p, size_t stride, int n_blocks, Sink& sink, const std::byte* ahead) {
    for (int b = 0; b < n_blocks; ++b, p += sizeof(BlockIQ4_NL)) {
      sink.begin(b, 0);
      sink.scale(b, low_half_to_float(gather_words(p, stride, ahead)));
      VecU piece[4];
      gather_pieces(p + 2, stride, piece, ahead);
      give_looked_up(sink, b, piece, kIq4Codes.v);
      sink.end(b, 0);
    }
  }
};

struct MXFP4 {
  static constexpr PanelFormat kFormat{DType::kMXFP4, PanelKind::kOffset32, 4, 32, sizeof(BlockMXFP4), nullptr, {}};
  static constexpr int kSlots = 1;
  template <class Sink>
  static CONCLAVE_INLINE void decode(const std::byte* p, size_t stride, int n_blocks, Sink& sink, const std::byte* ahead) {
    for (int b = 0; b < n_blocks; ++b, p += sizeof(BlockMXFP4)) {
      sink.begin(b, 0);
      const VecU exponent = gather_words(p, stride, ahead) & 0xffu;
      sink.scale(b, as_float(exponent << 23) * set_f(0.5f));   // 2^(e - 127), halved for the doubled values
      VecU piece[4];
      gather_pieces(p + 1, stride, piece, ahead);
      give_looked_up(sink, b, piece, kMxfp4Codes.v);
      sink.end(b, 0);
    }
  }
};

struct IQ4_XS {
  static constexpr PanelFormat kFormat{DType::kIQ4_XS, PanelKind::kOffset32, 7, 256, sizeof(BlockIQ4_XS), nullptr, {}};
  static constexpr int kSlots = 1;
  template <class Sink>
  static CONCLAVE_INLINE void decode(const std::byte* p, size_t stride, int, Sink& sink, const std::byte* ahead) {
    const VecU head = gather_words(p, stride, ahead), low = gather_words(p + 4, stride, ahead);
    const VecF d = low_half_to_float(head);
    CONCLAVE_UNROLL for (int b = 0; b < kChunkBlocks; ++b) {
      sink.begin(b, 0);
      const VecU scale = ((low >> (4 * b)) & 15u) | (((head >> (16 + 2 * b)) & 3u) << 4);
      sink.scale(b, d * (to_float(scale) - set_f(32.f)));
      VecU piece[4];
      gather_pieces(p + 8 + 16 * b, stride, piece, ahead);
      give_looked_up(sink, b, piece, kIq4Codes.v);
      sink.end(b, 0);
    }
  }
};

struct Q2_K {
  static constexpr PanelFormat kFormat{DType::kQ2_K, PanelKind::kMin16, 0, 256, sizeof(BlockQ2_K), nullptr, {}};
  static constexpr int kSlots = 4;
  template <class Sink>
  static CONCLAVE_INLINE void decode(const std::byte* p, size_t stride, int, Sink& sink, const std::byte* ahead) {
    const VecU head = gather_words(p + 80, stride, ahead);
    const VecF d = low_half_to_float(head), minus_dmin = set_f(0.f) - low_half_to_float(head >> 16);
    VecU scales[4];
    gather_pieces(p, stride, scales, ahead);
    CONCLAVE_UNROLL for (int i = 0; i < 16; ++i) {
      sink.scale(i, d * byte_to_float(scales[i / 4] & kLowNibbles, i % 4));
      sink.minimum(i, minus_dmin * byte_to_float((scales[i / 4] >> 4) & kLowNibbles, i % 4));
    }
    CONCLAVE_UNROLL for (int half = 0; half < 2; ++half) {
      CONCLAVE_UNROLL for (int j = 0; j < 4; ++j) sink.begin(4 * half + j, j);
      CONCLAVE_UNROLL for (int quarter = 0; quarter < 2; ++quarter) {
        VecU piece[4];
        gather_pieces(p + 16 + 32 * half + 16 * quarter, stride, piece, ahead);
        CONCLAVE_UNROLL for (int i = 0; i < 4; ++i)
          CONCLAVE_UNROLL for (int j = 0; j < 4; ++j) sink.code(4 * half + j, j, 4 * quarter + i, (piece[i] >> (2 * j)) & kLowPairs);
      }
      CONCLAVE_UNROLL for (int j = 0; j < 4; ++j) sink.end(4 * half + j, j);
    }
  }
};

struct Q3_K {
  static constexpr PanelFormat kFormat{DType::kQ3_K, PanelKind::kOffset16, 2, 256, sizeof(BlockQ3_K), nullptr, {}};
  static constexpr int kSlots = 4;
  template <class Sink>
  static CONCLAVE_INLINE void decode(const std::byte* p, size_t stride, int, Sink& sink, const std::byte* ahead) {
    const VecF d = low_half_to_float(gather_words(p + 106, stride, ahead) >> 16);
    const VecU a = gather_words(p + 96, stride, ahead), b = gather_words(p + 100, stride, ahead), c = gather_words(p + 104, stride, ahead);
    const VecU scales[4] = {(a & kLowNibbles) | ((c & kLowPairs) << 4), (b & kLowNibbles) | (((c >> 2) & kLowPairs) << 4),
                            ((a >> 4) & kLowNibbles) | (((c >> 4) & kLowPairs) << 4), ((b >> 4) & kLowNibbles) | (((c >> 6) & kLowPairs) << 4)};
    CONCLAVE_UNROLL for (int i = 0; i < 16; ++i) sink.scale(i, d * (byte_to_float(scales[i / 4], i % 4) - set_f(32.f)));
    VecU high[8];
    gather_pieces(p, stride, high, ahead);
    gather_pieces(p + 16, stride, high + 4, ahead);
    CONCLAVE_UNROLL for (int half = 0; half < 2; ++half) {
      CONCLAVE_UNROLL for (int j = 0; j < 4; ++j) sink.begin(4 * half + j, j);
      CONCLAVE_UNROLL for (int quarter = 0; quarter < 2; ++quarter) {
        VecU piece[4];
        gather_pieces(p + 32 + 32 * half + 16 * quarter, stride, piece, ahead);
        CONCLAVE_UNROLL for (int i = 0; i < 4; ++i)
          CONCLAVE_UNROLL for (int j = 0; j < 4; ++j)
            sink.code(4 * half + j, j, 4 * quarter + i, ((piece[i] >> (2 * j)) & kLowPairs) | (((high[4 * quarter + i] >> (4 * half + j)) & kLowBits) << 2));
      }
      CONCLAVE_UNROLL for (int j = 0; j < 4; ++j) sink.end(4 * half + j, j);
    }
  }
};

/// The head of Q4_K and Q5_K: d, dmin and eight six-bit (scale, min) pairs.
template <class Sink>
CONCLAVE_INLINE void give_k_scales(const std::byte* p, size_t stride, Sink& sink, const std::byte*& ahead) {
  VecU head[4];
  gather_pieces(p, stride, head, ahead);
  const VecF d = low_half_to_float(head[0]), minus_dmin = set_f(0.f) - low_half_to_float(head[0] >> 16);
  const VecU scales[2] = {head[1] & 0x3f3f3f3fu, (head[3] & kLowNibbles) | ((head[1] >> 2) & 0x30303030u)};
  const VecU mins[2] = {head[2] & 0x3f3f3f3fu, ((head[3] >> 4) & kLowNibbles) | ((head[2] >> 2) & 0x30303030u)};
  CONCLAVE_UNROLL for (int i = 0; i < 8; ++i) {
    sink.scale(i, d * byte_to_float(scales[i / 4], i % 4));
    sink.minimum(i, minus_dmin * byte_to_float(mins[i / 4], i % 4));
  }
}

struct Q4_K {
  static constexpr PanelFormat kFormat{DType::kQ4_K, PanelKind::kMin32, 0, 256, sizeof(BlockQ4_K), nullptr, {}};
  static constexpr int kSlots = 2;
  template <class Sink>
  static CONCLAVE_INLINE void decode(const std::byte* p, size_t stride, int, Sink& sink, const std::byte* ahead) {
    give_k_scales(p, stride, sink, ahead);
    CONCLAVE_UNROLL for (int pair = 0; pair < 4; ++pair) {
      sink.begin(2 * pair, 0);
      sink.begin(2 * pair + 1, 1);
      CONCLAVE_UNROLL for (int quarter = 0; quarter < 2; ++quarter) {
        VecU piece[4];
        gather_pieces(p + 16 + 32 * pair + 16 * quarter, stride, piece, ahead);
        CONCLAVE_UNROLL for (int i = 0; i < 4; ++i) {
          sink.code(2 * pair, 0, 4 * quarter + i, piece[i] & kLowNibbles);
          sink.code(2 * pair + 1, 1, 4 * quarter + i, (piece[i] >> 4) & kLowNibbles);
        }
      }
      sink.end(2 * pair, 0);
      sink.end(2 * pair + 1, 1);
    }
  }
};

struct Q5_K {
  static constexpr PanelFormat kFormat{DType::kQ5_K, PanelKind::kMin32, 0, 256, sizeof(BlockQ5_K), nullptr, {}};
  static constexpr int kSlots = 2;
  template <class Sink>
  static CONCLAVE_INLINE void decode(const std::byte* p, size_t stride, int, Sink& sink, const std::byte* ahead) {
    give_k_scales(p, stride, sink, ahead);
    VecU high[8];
    gather_pieces(p + 16, stride, high, ahead);
    gather_pieces(p + 32, stride, high + 4, ahead);
    CONCLAVE_UNROLL for (int pair = 0; pair < 4; ++pair) {
      sink.begin(2 * pair, 0);
      sink.begin(2 * pair + 1, 1);
      CONCLAVE_UNROLL for (int quarter = 0; quarter < 2; ++quarter) {
        VecU piece[4];
        gather_pieces(p + 48 + 32 * pair + 16 * quarter, stride, piece, ahead);
        CONCLAVE_UNROLL for (int i = 0; i < 4; ++i) {
          const VecU bits = high[4 * quarter + i] >> (2 * pair);
          sink.code(2 * pair, 0, 4 * quarter + i, (piece[i] & kLowNibbles) | ((bits & kLowBits) << 4));
          sink.code(2 * pair + 1, 1, 4 * quarter + i, ((piece[i] >> 4) & kLowNibbles) | ((bits << 3) & 0x10101010u));
        }
      }
      sink.end(2 * pair, 0);
      sink.end(2 * pair + 1, 1);
    }
  }
};

struct Q6_K {
  static constexpr PanelFormat kFormat{DType::kQ6_K, PanelKind::kOffset16, 5, 256, sizeof(BlockQ6_K), nullptr, {}};
  static constexpr int kSlots = 4;
  template <class Sink>
  static CONCLAVE_INLINE void decode(const std::byte* p, size_t stride, int, Sink& sink, const std::byte* ahead) {
    const VecF d = low_half_to_float(gather_words(p + 206, stride, ahead) >> 16);
    VecU scales[4];
    gather_pieces(p + 192, stride, scales, ahead);
    CONCLAVE_UNROLL for (int i = 0; i < 16; ++i) sink.scale(i, d * signed_byte_to_float(scales[i / 4], i % 4));
    CONCLAVE_UNROLL for (int half = 0; half < 2; ++half) {
      CONCLAVE_UNROLL for (int j = 0; j < 4; ++j) sink.begin(4 * half + j, j);
      CONCLAVE_UNROLL for (int quarter = 0; quarter < 2; ++quarter) {
        VecU low[4], next[4], high[4];
        gather_pieces(p + 64 * half + 16 * quarter, stride, low, ahead);
        gather_pieces(p + 64 * half + 32 + 16 * quarter, stride, next, ahead);
        gather_pieces(p + 128 + 32 * half + 16 * quarter, stride, high, ahead);
        CONCLAVE_UNROLL for (int i = 0; i < 4; ++i) {
          const int word = 4 * quarter + i;
          sink.code(4 * half, 0, word, (low[i] & kLowNibbles) | ((high[i] << 4) & 0x30303030u));
          sink.code(4 * half + 1, 1, word, (next[i] & kLowNibbles) | ((high[i] << 2) & 0x30303030u));
          sink.code(4 * half + 2, 2, word, ((low[i] >> 4) & kLowNibbles) | (high[i] & 0x30303030u));
          sink.code(4 * half + 3, 3, word, ((next[i] >> 4) & kLowNibbles) | ((high[i] >> 2) & 0x30303030u));
        }
      }
      CONCLAVE_UNROLL for (int j = 0; j < 4; ++j) sink.end(4 * half + j, j);
    }
  }
};

template <class Format>
void decode_panel(const std::byte* p, size_t stride, int n_blocks, Panel& panel, const std::byte* ahead) {
  PanelSink sink{panel};
  Format::decode(p, stride, n_blocks, sink, ahead);
}

template <class Format, int kX>
void dot_rows_of(const std::byte* p, size_t stride, int n_blocks, const QuantBlock* const* x, float* const* acc, const std::byte* ahead) {
  DotSink<Format::kFormat.kind, kX, Format::kSlots, Format::kFormat.offset_shift> sink;
  for (int t = 0; t < kX; ++t) {
    sink.x[t] = x[t];
    sink.sum[t] = load_f(acc[t]);
  }
  Format::decode(p, stride, n_blocks, sink, ahead);
  for (int t = 0; t < kX; ++t) store(acc[t], sink.sum[t]);
}

template <class Format>
constexpr PanelFormat format_of() {
  PanelFormat format = Format::kFormat;
  format.decode = decode_panel<Format>;
#if CONCLAVE_FUSED
  format.dot[0] = dot_rows_of<Format, 1>;
  format.dot[1] = dot_rows_of<Format, 2>;
#endif
  return format;
}

constexpr PanelFormat kFormats[kPanelFormats] = {format_of<Q4_0>(), format_of<Q4_1>(), format_of<Q5_0>(), format_of<Q5_1>(), format_of<Q8_0>(),
                                                 format_of<Q2_K>(), format_of<Q3_K>(), format_of<Q4_K>(), format_of<Q5_K>(), format_of<Q6_K>(),
                                                 format_of<IQ4_NL>(), format_of<IQ4_XS>(), format_of<MXFP4>()};

/// Symmetric int8 with the largest magnitude at 127; a block of zeros keeps scale 0.
void quantize(const float* x, QuantBlock* out, int64_t n_blocks, float* rest) {
  for (int64_t b = 0; b < n_blocks; ++b, x += kBlock) {
    const VecF low = load_f(x), high = load_f(x + 16);
    const VecF magnitude = max(max(low, set_f(0.f) - low), max(high, set_f(0.f) - high));
    const float largest = max_lane(magnitude);
    const float inverse = largest > 0.f ? 127.f / largest : 0.f;
    QuantBlock& block = out[b];
    const VecU low_codes = round_to_int(low * set_f(inverse)), high_codes = round_to_int(high * set_f(inverse));
    store_i8(block.q, low_codes);
    store_i8(block.q + 16, high_codes);
    int32_t sums[2] = {0, 0};
    for (int i = 0; i < 16; ++i) {
      sums[0] += block.q[i];
      sums[1] += block.q[i + 16];
    }
    block.scale = largest / 127.f;
    block.sum = static_cast<float>(sums[0] + sums[1]);
    block.minus_sum = -(sums[0] + sums[1]);
    block.minus_sum16[0] = -sums[0];
    block.minus_sum16[1] = -sums[1];
    if (!rest) continue;
    const VecF minus_scale = set_f(-block.scale);
    store(rest + b * kBlock, fma(to_float(low_codes), minus_scale, low));
    store(rest + b * kBlock + 16, fma(to_float(high_codes), minus_scale, high));
  }
}

template <int kTile, PanelKind kKind>
void multiply(const Panel& panel, int n_blocks, int offset_shift, const QuantBlock* const* x, float* acc, ptrdiff_t acc_stride) {
  constexpr int kSubs = subs_of(kKind), kWords = kBlock / 4 / kSubs;
  VecF sum[kTile];
  for (int t = 0; t < kTile; ++t) sum[t] = load_f(acc + t * acc_stride);
  for (int b = 0; b < n_blocks; ++b) {
    VecF total[kTile];
    for (int t = 0; t < kTile; ++t) total[t] = set_f(0.f);
    for (int sub = 0; sub < kSubs; ++sub) {
      VecU dot[kTile];
      for (int t = 0; t < kTile; ++t) dot[t] = first_dot<kKind>(x[t][b], sub, offset_shift);
      for (int word = sub * kWords; word < (sub + 1) * kWords; ++word) {
        const VecU codes = load_u(panel.codes[b][word]);
        for (int t = 0; t < kTile; ++t) dot[t] = dot4(dot[t], codes, x[t][b].q + 4 * word);
      }
      for (int t = 0; t < kTile; ++t) total[t] = add_sub<kKind>(total[t], dot[t], sub, x[t][b], panel.scale[b * kSubs + sub], panel.min[b * kSubs + sub]);
    }
    for (int t = 0; t < kTile; ++t) sum[t] = fma(total[t], set_f(x[t][b].scale), sum[t]);
  }
  for (int t = 0; t < kTile; ++t) store(acc + t * acc_stride, sum[t]);
}

template <int kTile, PanelKind kKind>
constexpr Kernels::Multiply multiply_or_null() {
  if constexpr (kTile <= CONCLAVE_MAX_TILE) return multiply<kTile, kKind>;
  else return nullptr;
}
#define CONCLAVE_MULTIPLY(KIND) \
  {multiply_or_null<1, KIND>(), multiply_or_null<2, KIND>(), multiply_or_null<3, KIND>(), multiply_or_null<4, KIND>(), \
   multiply_or_null<5, KIND>(), multiply_or_null<6, KIND>(), multiply_or_null<7, KIND>(), multiply_or_null<8, KIND>()}

}  // namespace
}  // namespace conclave::CONCLAVE_LEVEL
