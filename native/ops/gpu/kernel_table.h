// The one table of kernels and of the number formats that they come in, for every language: launchers make an enum and a
// switch of it, Metal its entry points. CONCLAVE_KERNELS(ONE, WEIGHTS, PAGES) names each kernel once: ONE(id, name, type) where
// there is a single form, WEIGHTS and PAGES(id, name, type) where there is one for each format of weights, of keys and values.
// CONCLAVE_WEIGHT_FORMATS and CONCLAVE_PAGE_FORMATS(FORMAT, ...) give FORMAT(GGUF's number, type, ...) for each.
#pragma once

// clang-format off
#define CONCLAVE_KERNELS(ONE, WEIGHTS, PAGES) \
  ONE(kQuantize, "quantize", Quantize) \
  WEIGHTS(kProduct, "product", Product) \
  ONE(kSortPairs, "sort_pairs", SortPairs) \
  ONE(kDensePairs, "dense_pairs", DensePairs) \
  WEIGHTS(kGateUp, "gate_up", GateUp) \
  WEIGHTS(kDownFew, "down_few", DownFew) \
  WEIGHTS(kDownMany, "down_many", DownMany) \
  ONE(kListTiles, "list_tiles", ListTiles) \
  WEIGHTS(kTileProduct, "tile_product", TileProduct) \
  WEIGHTS(kTileGateUp, "tile_gate_up", TileGateUp) \
  ONE(kAddPairs, "add_pairs", AddPairs) \
  ONE(kNorm, "norm", NormRows) \
  ONE(kAdd, "add", AddRows) \
  ONE(kGate, "gate", GateRows) \
  ONE(kSplit, "split", SplitRows) \
  ONE(kTails, "tails", CopyTails) \
  WEIGHTS(kEmbed, "embed", EmbedRows) \
  ONE(kRowScales, "row_scales", RowScales) \
  ONE(kRope, "rope", NormAndRotate) \
  PAGES(kStoreKv, "store_kv", StoreKv) \
  PAGES(kAttend, "attend", Attend) \
  ONE(kMergeRuns, "merge_runs", MergeRuns) \
  PAGES(kAttendFew, "attend_few", AttendFew) \
  PAGES(kAttendShared, "attend_shared", AttendShared) \
  PAGES(kAttendPrompt, "attend_prompt", AttendPrompt) \
  PAGES(kAttendWidePrompt, "attend_wide_prompt", AttendWidePrompt) \
  ONE(kMergeTiles, "merge_tiles", MergeTiles) \
  ONE(kChoose, "choose", ChooseExperts) \
  ONE(kConvolve, "convolve", ConvolveRows) \
  ONE(kKeepInputs, "keep_inputs", KeepInputs) \
  ONE(kDeltaSteps, "delta_steps", DeltaSteps) \
  ONE(kTopOfSlice, "top_of_slice", TopOfSlice) \
  ONE(kMergeTops, "merge_tops", MergeTops)

#define CONCLAVE_WEIGHT_FORMATS(FORMAT, ...) \
  FORMAT(0, F32, __VA_ARGS__) \
  FORMAT(1, F16, __VA_ARGS__) \
  FORMAT(2, Q4_0, __VA_ARGS__) \
  FORMAT(3, Q4_1, __VA_ARGS__) \
  FORMAT(6, Q5_0, __VA_ARGS__) \
  FORMAT(7, Q5_1, __VA_ARGS__) \
  FORMAT(8, Q8_0, __VA_ARGS__) \
  FORMAT(10, Q2_K, __VA_ARGS__) \
  FORMAT(11, Q3_K, __VA_ARGS__) \
  FORMAT(12, Q4_K, __VA_ARGS__) \
  FORMAT(13, Q5_K, __VA_ARGS__) \
  FORMAT(14, Q6_K, __VA_ARGS__) \
  FORMAT(20, IQ4_NL, __VA_ARGS__) \
  FORMAT(23, IQ4_XS, __VA_ARGS__) \
  FORMAT(30, BF16, __VA_ARGS__) \
  FORMAT(39, MXFP4, __VA_ARGS__)

#define CONCLAVE_PAGE_FORMATS(FORMAT, ...) \
  FORMAT(0, KvF32, __VA_ARGS__) \
  FORMAT(1, KvF16, __VA_ARGS__) \
  FORMAT(8, KvQ8_0, __VA_ARGS__) \
  FORMAT(30, KvBF16, __VA_ARGS__)
// clang-format on
