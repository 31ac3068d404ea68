// Block formats to panels, activations to QuantBlocks, and their product, over the lanes of vec16.h. Rows lie in
// lanes: bytes of sixteen rows are transposed as 32-bit words once, and all unpacking is then the same few operations on
// every lane. The formats' layouts are described at formats/quant_blocks.h; `p` is the first row's block.
// Included by kernels_<level>.cpp only.

namespace conclave::CONCLAVE_LEVEL {
namespace {

constexpr uint32_t kLowNibbles = 0x0f0f0f0fu, kLowPairs = 0x03030303u, kLowBits = 0x01010101u, kSignBits = 0x80808080u;

/// Byte i of every lane as a float.
CONCLAVE_INLINE VecF byte_to_float(VecU words, int i) { return to_float((words >> (8 * i)) & 0xffu); }
CONCLAVE_INLINE VecF signed_byte_to_float(VecU words, int i) { return to_float(shift_right_signed(words << (24 - 8 * i), 24)); }

CONCLAVE_INLINE void store_nibbles(Panel& panel, int b, const VecU piece[4]) {
  for (int i = 0; i < 4; ++i) {
    store(panel.codes[b][i], piece[i] & kLowNibbles);
    store(panel.codes[b][i + 4], (piece[i] >> 4) & kLowNibbles);
  }
}

CONCLAVE_INLINE void store_looked_up(Panel& panel, int b, const VecU piece[4], const uint8_t* table) {
  for (int i = 0; i < 4; ++i) {
    store(panel.codes[b][i], lookup(piece[i] & kLowNibbles, table));
    store(panel.codes[b][i + 4], lookup((piece[i] >> 4) & kLowNibbles, table));
  }
}

void decode_q4_0(const std::byte* p, size_t stride, int n_blocks, Panel& panel) {
  for (int b = 0; b < n_blocks; ++b, p += sizeof(BlockQ4_0)) {
    VecU piece[4];
    gather_pieces(p + 2, stride, piece);
    store_nibbles(panel, b, piece);
    store(panel.scale[b], low_half_to_float(gather_words(p, stride)));
  }
}

void decode_q4_1(const std::byte* p, size_t stride, int n_blocks, Panel& panel) {
  for (int b = 0; b < n_blocks; ++b, p += sizeof(BlockQ4_1)) {
    VecU piece[4];
    gather_pieces(p + 4, stride, piece);
    store_nibbles(panel, b, piece);
    const VecU head = gather_words(p, stride);
    store(panel.scale[b], low_half_to_float(head));
    store(panel.min[b], low_half_to_float(head >> 16));
  }
}

/// The fifth bits of four values: bits 4i..4i+3 of `bits` to bit 4 of each byte.
CONCLAVE_INLINE VecU fifth_bits(VecU bits, int i) {
  const VecU four = bits >> (4 * i);
  return ((four << 4) & 0x10u) | ((four << 11) & 0x1000u) | ((four << 18) & 0x100000u) | ((four << 25) & 0x10000000u);
}

CONCLAVE_INLINE void store_five_bits(Panel& panel, int b, const VecU piece[4], VecU high) {
  for (int i = 0; i < 4; ++i) {
    store(panel.codes[b][i], (piece[i] & kLowNibbles) | fifth_bits(high, i));
    store(panel.codes[b][i + 4], ((piece[i] >> 4) & kLowNibbles) | fifth_bits(high, i + 4));
  }
}

void decode_q5_0(const std::byte* p, size_t stride, int n_blocks, Panel& panel) {
  for (int b = 0; b < n_blocks; ++b, p += sizeof(BlockQ5_0)) {
    VecU piece[4];
    gather_pieces(p + 6, stride, piece);
    store_five_bits(panel, b, piece, gather_words(p + 2, stride));
    store(panel.scale[b], low_half_to_float(gather_words(p, stride)));
  }
}

void decode_q5_1(const std::byte* p, size_t stride, int n_blocks, Panel& panel) {
  for (int b = 0; b < n_blocks; ++b, p += sizeof(BlockQ5_1)) {
    VecU piece[4];
    gather_pieces(p + 8, stride, piece);
    store_five_bits(panel, b, piece, gather_words(p + 4, stride));
    const VecU head = gather_words(p, stride);
    store(panel.scale[b], low_half_to_float(head));
    store(panel.min[b], low_half_to_float(head >> 16));
  }
}

void decode_q8_0(const std::byte* p, size_t stride, int n_blocks, Panel& panel) {
  for (int b = 0; b < n_blocks; ++b, p += sizeof(BlockQ8_0)) {
    for (int half = 0; half < 2; ++half) {
      VecU piece[4];
      gather_pieces(p + 2 + 16 * half, stride, piece);
      for (int i = 0; i < 4; ++i) store(panel.codes[b][4 * half + i], piece[i] ^ kSignBits);   // int8 + 128
    }
    store(panel.scale[b], low_half_to_float(gather_words(p, stride)));
  }
}

void decode_iq4_nl(const std::byte* p, size_t stride, int n_blocks, Panel& panel) {
  uint8_t table[16];
  for (int i = 0; i < 16; ++i) table[i] = static_cast<uint8_t>(kIq4Values[i] + 128);
  for (int b = 0; b < n_blocks; ++b, p += sizeof(BlockIQ4_NL)) {
    VecU piece[4];
    gather_pieces(p + 2, stride, piece);
    store_looked_up(panel, b, piece, table);
    store(panel.scale[b], low_half_to_float(gather_words(p, stride)));
  }
}

void decode_mxfp4(const std::byte* p, size_t stride, int n_blocks, Panel& panel) {
  uint8_t table[16];
  for (int i = 0; i < 16; ++i) table[i] = static_cast<uint8_t>(kMxfp4Doubled[i] + 16);
  for (int b = 0; b < n_blocks; ++b, p += sizeof(BlockMXFP4)) {
    VecU piece[4];
    gather_pieces(p + 1, stride, piece);
    store_looked_up(panel, b, piece, table);
    const VecU exponent = gather_words(p, stride) & 0xffu;
    store(panel.scale[b], as_float(exponent << 23) * set_f(0.5f));   // 2^(e - 127), halved for the doubled values
  }
}

void decode_q2_k(const std::byte* p, size_t stride, int n_blocks, Panel& panel) {
  const VecU head = gather_words(p + 80, stride);
  const VecF d = low_half_to_float(head), minus_dmin = set_f(0.f) - low_half_to_float(head >> 16);
  VecU scales[4];
  gather_pieces(p, stride, scales);
  for (int i = 0; i < 2 * n_blocks; ++i) {
    store(panel.scale[i], d * byte_to_float(scales[i / 4] & kLowNibbles, i % 4));
    store(panel.min[i], minus_dmin * byte_to_float((scales[i / 4] >> 4) & kLowNibbles, i % 4));
  }
  for (int half = 0; half < n_blocks / 4; ++half)
    for (int quarter = 0; quarter < 2; ++quarter) {
      VecU piece[4];
      gather_pieces(p + 16 + 32 * half + 16 * quarter, stride, piece);
      for (int j = 0; j < 4; ++j)
        for (int i = 0; i < 4; ++i) store(panel.codes[4 * half + j][4 * quarter + i], (piece[i] >> (2 * j)) & kLowPairs);
    }
}

void decode_q3_k(const std::byte* p, size_t stride, int n_blocks, Panel& panel) {
  const VecF d = low_half_to_float(gather_words(p + 106, stride) >> 16);
  const VecU a = gather_words(p + 96, stride), b = gather_words(p + 100, stride), c = gather_words(p + 104, stride);
  const VecU scales[4] = {(a & kLowNibbles) | ((c & kLowPairs) << 4), (b & kLowNibbles) | (((c >> 2) & kLowPairs) << 4),
                          ((a >> 4) & kLowNibbles) | (((c >> 4) & kLowPairs) << 4), ((b >> 4) & kLowNibbles) | (((c >> 6) & kLowPairs) << 4)};
  for (int i = 0; i < 2 * n_blocks; ++i) store(panel.scale[i], d * (byte_to_float(scales[i / 4], i % 4) - set_f(32.f)));
  for (int quarter = 0; quarter < 2; ++quarter) {
    VecU high[4];
    gather_pieces(p + 16 * quarter, stride, high);
    for (int half = 0; half < n_blocks / 4; ++half) {
      VecU piece[4];
      gather_pieces(p + 32 + 32 * half + 16 * quarter, stride, piece);
      for (int j = 0; j < 4; ++j)
        for (int i = 0; i < 4; ++i)
          store(panel.codes[4 * half + j][4 * quarter + i], ((piece[i] >> (2 * j)) & kLowPairs) | (((high[i] >> (4 * half + j)) & kLowBits) << 2));
    }
  }
}

/// The head of Q4_K and Q5_K: d, dmin and eight six-bit (scale, min) pairs.
CONCLAVE_INLINE void store_k_scales(const std::byte* p, size_t stride, int n_blocks, Panel& panel) {
  VecU head[4];
  gather_pieces(p, stride, head);
  const VecF d = low_half_to_float(head[0]), minus_dmin = set_f(0.f) - low_half_to_float(head[0] >> 16);
  const VecU scales[2] = {head[1] & 0x3f3f3f3fu, (head[3] & kLowNibbles) | ((head[1] >> 2) & 0x30303030u)};
  const VecU mins[2] = {head[2] & 0x3f3f3f3fu, ((head[3] >> 4) & kLowNibbles) | ((head[2] >> 2) & 0x30303030u)};
  for (int i = 0; i < n_blocks; ++i) {
    store(panel.scale[i], d * byte_to_float(scales[i / 4], i % 4));
    store(panel.min[i], minus_dmin * byte_to_float(mins[i / 4], i % 4));
  }
}

void decode_q4_k(const std::byte* p, size_t stride, int n_blocks, Panel& panel) {
  store_k_scales(p, stride, n_blocks, panel);
  for (int pair = 0; pair < n_blocks / 2; ++pair)
    for (int quarter = 0; quarter < 2; ++quarter) {
      VecU piece[4];
      gather_pieces(p + 16 + 32 * pair + 16 * quarter, stride, piece);
      for (int i = 0; i < 4; ++i) {
        store(panel.codes[2 * pair][4 * quarter + i], piece[i] & kLowNibbles);
        store(panel.codes[2 * pair + 1][4 * quarter + i], (piece[i] >> 4) & kLowNibbles);
      }
    }
}

void decode_q5_k(const std::byte* p, size_t stride, int n_blocks, Panel& panel) {
  store_k_scales(p, stride, n_blocks, panel);
  for (int quarter = 0; quarter < 2; ++quarter) {
    VecU high[4];
    gather_pieces(p + 16 + 16 * quarter, stride, high);
    for (int pair = 0; pair < n_blocks / 2; ++pair) {
      VecU piece[4];
      gather_pieces(p + 48 + 32 * pair + 16 * quarter, stride, piece);
      for (int i = 0; i < 4; ++i) {
        const VecU bits = high[i] >> (2 * pair);
        store(panel.codes[2 * pair][4 * quarter + i], (piece[i] & kLowNibbles) | ((bits & kLowBits) << 4));
        store(panel.codes[2 * pair + 1][4 * quarter + i], ((piece[i] >> 4) & kLowNibbles) | ((bits << 3) & 0x10101010u));
      }
    }
  }
}

void decode_q6_k(const std::byte* p, size_t stride, int n_blocks, Panel& panel) {
  const VecF d = low_half_to_float(gather_words(p + 206, stride) >> 16);
  VecU scales[4];
  gather_pieces(p + 192, stride, scales);
  for (int i = 0; i < 2 * n_blocks; ++i) store(panel.scale[i], d * signed_byte_to_float(scales[i / 4], i % 4));
  for (int half = 0; half < n_blocks / 4; ++half)
    for (int quarter = 0; quarter < 2; ++quarter) {
      VecU low[4], next[4], high[4];
      gather_pieces(p + 64 * half + 16 * quarter, stride, low);
      gather_pieces(p + 64 * half + 32 + 16 * quarter, stride, next);
      gather_pieces(p + 128 + 32 * half + 16 * quarter, stride, high);
      for (int i = 0; i < 4; ++i) {
        const int word = 4 * quarter + i;
        store(panel.codes[4 * half][word], (low[i] & kLowNibbles) | ((high[i] << 4) & 0x30303030u));
        store(panel.codes[4 * half + 1][word], (next[i] & kLowNibbles) | ((high[i] << 2) & 0x30303030u));
        store(panel.codes[4 * half + 2][word], ((low[i] >> 4) & kLowNibbles) | (high[i] & 0x30303030u));
        store(panel.codes[4 * half + 3][word], ((next[i] >> 4) & kLowNibbles) | ((high[i] >> 2) & 0x30303030u));
      }
    }
}

void decode_iq4_xs(const std::byte* p, size_t stride, int n_blocks, Panel& panel) {
  uint8_t table[16];
  for (int i = 0; i < 16; ++i) table[i] = static_cast<uint8_t>(kIq4Values[i] + 128);
  const VecU head = gather_words(p, stride), low = gather_words(p + 4, stride);
  const VecF d = low_half_to_float(head);
  for (int b = 0; b < n_blocks; ++b) {
    const VecU scale = ((low >> (4 * b)) & 15u) | (((head >> (16 + 2 * b)) & 3u) << 4);
    store(panel.scale[b], d * (to_float(scale) - set_f(32.f)));
    VecU piece[4];
    gather_pieces(p + 8 + 16 * b, stride, piece);
    store_looked_up(panel, b, piece, table);
  }
}

constexpr PanelFormat kFormats[kPanelFormats] = {
    {DType::kQ4_0, PanelKind::kOffset32, 3, 32, sizeof(BlockQ4_0), decode_q4_0},
    {DType::kQ4_1, PanelKind::kMin32, 0, 32, sizeof(BlockQ4_1), decode_q4_1},
    {DType::kQ5_0, PanelKind::kOffset32, 4, 32, sizeof(BlockQ5_0), decode_q5_0},
    {DType::kQ5_1, PanelKind::kMin32, 0, 32, sizeof(BlockQ5_1), decode_q5_1},
    {DType::kQ8_0, PanelKind::kOffset32, 7, 32, sizeof(BlockQ8_0), decode_q8_0},
    {DType::kQ2_K, PanelKind::kMin16, 0, 256, sizeof(BlockQ2_K), decode_q2_k},
    {DType::kQ3_K, PanelKind::kOffset16, 2, 256, sizeof(BlockQ3_K), decode_q3_k},
    {DType::kQ4_K, PanelKind::kMin32, 0, 256, sizeof(BlockQ4_K), decode_q4_k},
    {DType::kQ5_K, PanelKind::kMin32, 0, 256, sizeof(BlockQ5_K), decode_q5_k},
    {DType::kQ6_K, PanelKind::kOffset16, 5, 256, sizeof(BlockQ6_K), decode_q6_k},
    {DType::kIQ4_NL, PanelKind::kOffset32, 7, 32, sizeof(BlockIQ4_NL), decode_iq4_nl},
    {DType::kIQ4_XS, PanelKind::kOffset32, 7, 256, sizeof(BlockIQ4_XS), decode_iq4_xs},
    {DType::kMXFP4, PanelKind::kOffset32, 4, 32, sizeof(BlockMXFP4), decode_mxfp4},
};

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
  constexpr int kSubs = kKind == PanelKind::kOffset16 || kKind == PanelKind::kMin16 ? 2 : 1;
  constexpr bool kOffset = kKind == PanelKind::kOffset16 || kKind == PanelKind::kOffset32;
  constexpr int kWords = kBlock / 4 / kSubs;
  VecF sum[kTile];
  for (int t = 0; t < kTile; ++t) sum[t] = load_f(acc + t * acc_stride);
  for (int b = 0; b < n_blocks; ++b) {
    VecF total[kTile];
    for (int sub = 0; sub < kSubs; ++sub) {
      VecU dot[kTile];
      for (int t = 0; t < kTile; ++t) {
        const QuantBlock& block = x[t][b];
        dot[t] = kOffset ? set_u(static_cast<uint32_t>(kSubs == 2 ? block.minus_sum16[sub] : block.minus_sum)) << offset_shift : set_u(0);
      }
      for (int word = 0; word < kWords; ++word) {
        const VecU codes = load_u(panel.codes[b][sub * kWords + word]);
        for (int t = 0; t < kTile; ++t) dot[t] = dot4(dot[t], codes, x[t][b].q + 4 * (sub * kWords + word));
      }
      const VecF scale = load_f(panel.scale[b * kSubs + sub]);
      for (int t = 0; t < kTile; ++t) total[t] = sub == 0 ? to_float(dot[t]) * scale : fma(to_float(dot[t]), scale, total[t]);
      if (kOffset) continue;
      const VecF minimum = load_f(panel.min[b * kSubs + sub]);
      for (int t = 0; t < kTile; ++t) {
        const QuantBlock& block = x[t][b];
        total[t] = fma(minimum, set_f(kSubs == 2 ? static_cast<float>(-block.minus_sum16[sub]) : block.sum), total[t]);
      }
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
