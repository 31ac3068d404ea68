// Which pages the sequences of a batch have in common: the tree of their page tables, cut where it forks. A pure function of
// the tables, so that what a backend will meet together is known, and tested, without one.
#pragma once
#include <span>
#include <vector>

#include "ops/ops.h"

namespace conclave {

/// The runs that pass the gate, by depth. Where too few pages are common they are left to the runs below, or to the sequences.
/// A page that rows of the batch still write to is in none.
std::vector<SharedRun> shared_runs(std::span<const int32_t> row_sequence, std::span<const int32_t> row_position, std::span<const SequencePages> sequences, SharingGate gate);

}  // namespace conclave
