// The level's table. Included last by kernels_<level>.cpp, which defines CONCLAVE_LEVEL, CONCLAVE_LEVEL_NAME and CONCLAVE_MAX_TILE.

namespace conclave::CONCLAVE_LEVEL {
namespace {

constexpr Kernels kTable = {
    CONCLAVE_LEVEL_NAME,
    CONCLAVE_MAX_TILE,
    quantize,
    kFormats,
    {CONCLAVE_MULTIPLY(PanelKind::kOffset32), CONCLAVE_MULTIPLY(PanelKind::kMin32), CONCLAVE_MULTIPLY(PanelKind::kOffset16), CONCLAVE_MULTIPLY(PanelKind::kMin16)},
    dot_rows<AsF32>,
    dot_rows<AsF16>,
    dot_rows<AsBF16>,
    sum_of_squares,
    gate,
    CONCLAVE_ATTEND,
    fix_run,
    attend_fixed,
    exponentials,
    delta_step,
};

}  // namespace
}  // namespace conclave::CONCLAVE_LEVEL
