// The walk down the tree of page tables; see shared_runs.h.
#include "forward/shared_runs.h"

#include <algorithm>

namespace conclave {

namespace {

/// A sequence of the batch: the pages before that of its first row, and its rows.
struct Member {
  std::span<const int32_t> pages;
  std::vector<int32_t> rows;
};

std::vector<Member> members_of(std::span<const int32_t> row_sequence, std::span<const int32_t> row_position, std::span<const SequencePages> sequences) {
  std::vector<Member> members(sequences.size());
  for (size_t row = 0; row < row_sequence.size(); ++row) {
    const auto sequence = static_cast<size_t>(row_sequence[row]);
    Member& member = members[sequence];
    const auto pages = sequences[sequence].pages.first(static_cast<size_t>(row_position[row] / kPageTokens));
    if (member.rows.empty() || pages.size() < member.pages.size()) member.pages = pages;
    member.rows.push_back(static_cast<int32_t>(row));
  }
  std::erase_if(members, [](const Member& member) { return member.pages.empty() || member.rows.size() > kMostSharingRows; });
  std::sort(members.begin(), members.end(), [](const Member& a, const Member& b) { return std::lexicographical_compare(a.pages.begin(), a.pages.end(), b.pages.begin(), b.pages.end()); });
  return members;
}

class Walk {
 public:
  explicit Walk(SharingGate gate) : gate_(gate) {}

  /// `members` agree on the pages before `at`; those from `from` on are in no run yet.
  void descend(std::span<const Member> members, size_t from, size_t at, int depth) {
    if (members.size() < static_cast<size_t>(std::max(2, gate_.min_sequences))) return;
    // In order of their tables: what the first and the last have in common all have.
    const std::span<const int32_t> first = members.front().pages, last = members.back().pages;
    while (at < first.size() && at < last.size() && first[at] == last[at]) ++at;
    if (at > from && at - from >= static_cast<size_t>(std::max(1, gate_.min_pages))) {
      runs_.push_back({static_cast<int32_t>(from), static_cast<int32_t>(at), depth++, rows_of(members)});
      from = at;
    }
    for (size_t begin = 0, end = 0; begin < members.size(); begin = end) {
      const std::span<const int32_t> pages = members[begin].pages;
      for (end = begin + 1; end < members.size() && pages.size() > at && members[end].pages[at] == pages[at];) ++end;
      if (pages.size() > at) descend(members.subspan(begin, end - begin), from, at + 1, depth);
    }
  }

  std::vector<SharedRun> by_depth() {
    std::stable_sort(runs_.begin(), runs_.end(), [](const SharedRun& a, const SharedRun& b) { return a.depth < b.depth; });
    return std::move(runs_);
  }

 private:
  static std::vector<int32_t> rows_of(std::span<const Member> members) {
    std::vector<int32_t> rows;
    for (const Member& member : members) rows.insert(rows.end(), member.rows.begin(), member.rows.end());
    std::sort(rows.begin(), rows.end());
    return rows;
  }

  const SharingGate gate_;
  std::vector<SharedRun> runs_;
};

}  // namespace

std::vector<SharedRun> shared_runs(std::span<const int32_t> row_sequence, std::span<const int32_t> row_position, std::span<const SequencePages> sequences, SharingGate gate) {
  if (gate.min_pages == INT_MAX || sequences.size() < 2) return {};
  const std::vector<Member> members = members_of(row_sequence, row_position, sequences);
  Walk walk(gate);
  walk.descend(members, 0, 0, 0);
  return walk.by_depth();
}

}  // namespace conclave
