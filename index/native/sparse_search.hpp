// Exact top-k of a sparse query: windowed term-at-a-time accumulation of upper bounds, then exact rescoring.
//
// A window's sums, one 16-bit accumulator a document, stay in the first-level cache. A rare term adds a constant for
// every group of its postings (equal level, so no weight is stored or multiplied a posting: impact-ordered postings
// of Anh & Moffat, SIGIR 2006, inside a window); a frequent term is a dense row of 4-bit codes (sparse_scan.hpp).
#pragma once
#include <bit>
#include <cstring>
#include <memory>

#include "sparse_candidates.hpp"
#include "sparse_scan.hpp"
#include "sparse_skips.hpp"

namespace lexmax::sparse {

/// One query on its way through the windows.
class QueryScan {
 public:
  QueryScan(const Segment& segment, const Query& query, std::size_t k, const Engine& engine, Daring daring)
      : query(query),
        bounds_(query, segment),
        candidates(bounds_, k, daring, engine.depth(k), query.floor),
        segment_(segment),
        engine_(engine),
        skips_(segment, query, bounds_, k, engine),
        cursors_(query.terms.size()) {
    for (std::size_t j = 0; j < query.terms.size(); ++j) cursors_[j].multiplier = bounds_.multiplier(j);
  }
  QueryScan(const QueryScan&) = delete;

  /// Moves to the first window of a span that is not before `window`.
  void enter(std::size_t span, std::size_t window) {
    span_ = span;
    for (const std::uint32_t term : query.terms) {
      const std::size_t first = segment_.lists(span, term).first;
      __builtin_prefetch(segment_.list_windows.data() + first);
      __builtin_prefetch(segment_.list_ptr.data() + first + span);
    }
    for (std::size_t j = 0; j < cursors_.size(); ++j) {
      const auto [first, last] = segment_.lists(span, query.terms[j]);
      const auto begin = segment_.list_windows.begin();
      const auto at = std::lower_bound(begin + static_cast<std::ptrdiff_t>(first),
                                       begin + static_cast<std::ptrdiff_t>(last), window);
      cursors_[j].list = static_cast<std::size_t>(at - begin);
      cursors_[j].end = last;
      if (cursors_[j].list < last) prefetch_list(segment_.units(span, cursors_[j].list));
    }
  }

  /// Adds the groups of a window's lists to `sums` and notes its dense rows; whether there was any to add.
  bool accumulate(std::size_t window, std::uint16_t* sums, std::size_t mask, std::size_t n_chunks) {
    rows_.clear();
    touched_.clear();
    n_touched_ = 0;
    if (!engine_.exact() && !surveyed_) survey(window);
    skips_.plan(candidates.threshold(), window);
    bool any = false;
    for (std::size_t j = 0; j < cursors_.size(); ++j) {
      Cursor& cursor = cursors_[j];
      if (cursor.list == cursor.end || segment_.list_windows[cursor.list] != window) continue;
      const std::size_t list = cursor.list++;
      const std::uint32_t cut = skips_.cut(j);
      if (cut >= 255) continue;
      const auto units = segment_.units(span_, list);
      prefetch(units);
      const auto [row, groups] = Segment::parts(units);
      skips_.see(j, row, groups);
      if (!row.empty()) add_row(row, cursor.multiplier, cut, n_chunks);
      add_groups(groups, cursor.multiplier, cut, sums, mask);
      any = true;
    }
    std::sort(rows_.begin(), rows_.end(), [](const DenseRow& a, const DenseRow& b) { return a.largest > b.largest; });
    return any;
  }

  /// What a document may have from the terms that this window skips.
  std::uint32_t skipped() const { return skips_.bound(); }

  std::span<const DenseRow> rows() const { return rows_; }

  /// Offsets whose sums are not zero, unless there are rows; a document may occur several times.
  std::span<const std::span<const std::uint16_t>> touched() const { return touched_; }
  std::size_t n_touched() const { return n_touched_; }

  /// Where to look whether a chunk can still reach the threshold, given the rows that remain.
  std::span<const Stop> stops() {
    const std::uint32_t threshold = candidates.threshold() - skips_.bound();
    std::uint32_t rest = 0;
    for (const DenseRow& row : rows_) rest += row.largest;
    stops_.clear();
    std::uint32_t share = threshold / 2;
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      if (rest <= share && rest < threshold) {
        stops_.push_back({r, threshold - rest});
        while (share > 0 && rest <= share) share /= 2;
      }
      rest -= rows_[r].largest;
    }
    stops_.push_back({rows_.size(), threshold});
    return stops_;
  }

  const Query query;

 private:
  static constexpr std::size_t kAheadLines = 16;

  struct Cursor {
    std::size_t list = 0, end = 0;
    std::uint32_t multiplier = 0;
  };

  /// Asks for the term's list in the next window, which follows this one: after a window's work it is in no cache.
  static void prefetch(std::span<const std::uint16_t> units) {
    const char* next = reinterpret_cast<const char*>(units.data() + units.size());
    for (std::size_t line = 0; line < kAheadLines; ++line) __builtin_prefetch(next + 64 * line);
  }

  /// Asks for a list that is read soon.
  static void prefetch_list(std::span<const std::uint16_t> units) {
    const std::size_t n = std::min((units.size_bytes() + 63) / 64, kAheadLines);
    for (std::size_t line = 0; line < n; ++line)
      __builtin_prefetch(reinterpret_cast<const char*>(units.data()) + 64 * line);
  }

  /// Looks at the lists of the first window before any is read: what such an engine leaves out does not depend on
  /// what it has found.
  void survey(std::size_t window) {
    surveyed_ = true;
    for (std::size_t j = 0; j < cursors_.size(); ++j) {
      const Cursor& cursor = cursors_[j];
      if (cursor.list == cursor.end || segment_.list_windows[cursor.list] != window) continue;
      const auto [row, groups] = Segment::parts(segment_.units(span_, cursor.list));
      skips_.see(j, row, groups);
    }
    skips_.choose(window);
  }

  /// Adds the groups whose level is above `cut`; levels descend.
  void add_groups(std::span<const std::uint16_t> units, std::uint32_t multiplier, std::uint32_t cut,
                  std::uint16_t* sums, std::size_t mask) {
    const std::size_t n_groups = units[0];
    if (n_groups >= units.size()) throw Corrupt("sparse.postings holds more groups than units");
    const std::uint16_t* const first = units.data() + 1 + n_groups;
    const std::uint16_t* const end = units.data() + units.size();
    const std::uint16_t* offset = first;
    for (std::size_t g = 1; g <= n_groups; ++g) {
      const std::size_t count = units[g] & 0xFF;
      if (count > static_cast<std::size_t>(end - offset)) throw Corrupt("sparse.postings holds a group beyond its list");
      const std::uint32_t level = units[g] >> 8;
      if (level <= cut) break;
      add_group({offset, count}, static_cast<std::uint16_t>(contribution(multiplier, level)), sums, mask);
      offset += count;
    }
    touched_.push_back({first, offset});
    n_touched_ += static_cast<std::size_t>(offset - first);
  }

  static void add_group(std::span<const std::uint16_t> offsets, std::uint16_t value, std::uint16_t* sums,
                        std::size_t mask) {
    // A mask costs less than a check per posting and keeps any 16-bit offset inside `sums`.
    const auto add = [=](std::uint16_t offset) { sums[offset & mask] = static_cast<std::uint16_t>(sums[offset & mask] + value); };
    const std::uint16_t* at = offsets.data();
    const std::uint16_t* const last = at + offsets.size();
    for (; last - at >= 4; at += 4) {
      add(at[0]);
      add(at[1]);
      add(at[2]);
      add(at[3]);
    }
    for (; at != last; ++at) add(*at);
  }

  void add_row(std::span<const std::uint16_t> units, std::uint32_t multiplier, std::uint32_t cut, std::size_t n_chunks) {
    const auto codes = segment_.row(units, n_chunks);
    if (Skips::row_level(units) <= cut) return;
    DenseRow& row = rows_.emplace_back();
    row.codes = codes.data();
    __builtin_prefetch(row.codes);
    row.low[0] = row.high[0] = 0;
    std::uint32_t largest = 0;
    for (std::size_t code = 1; code < kCodes; ++code) {
      const std::uint32_t level = (units[3 + code / 2] >> (8 * (code % 2))) & 0xFF;
      const std::uint32_t value = contribution(multiplier, level);
      row.low[code] = static_cast<std::uint8_t>(value);
      row.high[code] = static_cast<std::uint8_t>(value >> 8);
      largest = std::max(largest, value);
    }
    row.wide = largest > 0xFF;
    row.largest = largest;
  }

  UpperBounds bounds_;

 public:
  Candidates candidates;

 private:
  const Segment& segment_;
  Engine engine_;
  bool surveyed_ = false;
  Skips skips_;
  std::size_t span_ = 0;
  std::vector<Cursor> cursors_;
  std::vector<DenseRow> rows_;
  std::vector<std::span<const std::uint16_t>> touched_;
  std::size_t n_touched_ = 0;
  std::vector<Stop> stops_;
};

/// Searches one segment on one thread; its accumulators are zero between windows.
class Searcher {
 public:
  /// `alive` has one byte a document, or is empty where all are.
  Searcher(const Segment& segment, std::span<const std::uint8_t> alive, CpuPath path)
      : segment_(segment),
        alive_(alive),
        run_(scan_kernel(path)),
        forward_(segment, path),
        sums_(std::max(segment.window_docs, kChunkDocs)),
        found_(kFound) {}

  /// Takes the queries through the windows from `first` to `last`, all of them through one before the next.
  void scan(std::span<const std::unique_ptr<QueryScan>> queries, std::size_t first, std::size_t last) {
    const std::size_t end = std::min(last * segment_.window_docs, segment_.n_docs());
    for (std::size_t window = first; window < last; ++window) {
      const bool enters = window == first || window % segment_.span_windows == 0;
      for (const auto& query : queries) {
        if (enters) query->enter(window / segment_.span_windows, window);
        scan_window(*query, window, {first * segment_.window_docs, 0, end});
      }
    }
  }

  /// The k best among the windows that the query was taken through, from `first` to `last`.
  std::vector<Scored> best(QueryScan& query, std::size_t k, std::size_t first, std::size_t last) {
    forward_.take(query.query);
    if (auto found = query.candidates.best(forward_)) return *std::move(found);
    // What has been scored tells what the k-th score is at least; without that, guesses are made once more.
    const float proven = query.candidates.proven();
    if (proven == 0)
      if (auto found = again(query.query, k, Daring::guessing, first, last)) return *std::move(found);
    Query known = query.query;
    known.floor = std::max(known.floor, proven);
    return *again(known, k, Daring::careful, first, last);
  }

  /// Every living document that shares a term, scored from the forward index: for long queries and strict filters.
  std::vector<Scored> brute_force(const Query& query, std::size_t k, std::size_t first, std::size_t last) {
    forward_.take(query);
    const std::vector<std::uint32_t> living = living_from(first, last);
    std::vector<Scored> scored;
    for (std::size_t i = 0; i < living.size(); ++i) {
      if (i + 2 * kAhead < living.size()) forward_.prefetch_place(living[i + 2 * kAhead]);
      if (i + kAhead < living.size()) forward_.prefetch(living[i + kAhead]);
      if (forward_.shares(living[i])) scored.push_back({forward_.score(living[i]), living[i]});
    }
    const auto end = scored.begin() + static_cast<std::ptrdiff_t>(std::min(k, scored.size()));
    std::partial_sort(scored.begin(), end, scored.end());
    scored.erase(end, scored.end());
    return scored;
  }

 private:
  static constexpr std::size_t kFound = 2 * kChunkDocs;
  // Survivors of a strict filter lie far apart: so many rows are under way from memory at once.
  static constexpr std::size_t kAhead = 4;

  /// The living documents from `first` to `last`.
  std::vector<std::uint32_t> living_from(std::size_t first, std::size_t last) const {
    std::vector<std::uint32_t> living;
    for (std::size_t doc = first; doc < last; ++doc) {
      if (!alive_.empty()) {
        const void* const found = std::memchr(alive_.data() + doc, 1, last - doc);
        if (found == nullptr) break;
        doc = static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - alive_.data());
      }
      living.push_back(static_cast<std::uint32_t>(doc));
    }
    return living;
  }

  std::optional<std::vector<Scored>> again(const Query& query, std::size_t k, Daring daring, std::size_t first,
                                           std::size_t last) {
    std::vector<std::unique_ptr<QueryScan>> scans;
    scans.push_back(std::make_unique<QueryScan>(segment_, query, k, Engine{}, daring));
    scan(scans, first, last);
    forward_.take(query);
    return scans.front()->candidates.best(forward_);
  }

  void scan_window(QueryScan& query, std::size_t window, Progress progress) {
    const std::size_t n_docs = segment_.docs_in(window), base = window * segment_.window_docs;
    const std::size_t n_chunks = (n_docs + kChunkDocs - 1) / kChunkDocs;
    if (!query.accumulate(window, sums_.data(), segment_.window_docs - 1, n_chunks)) return;
    if (query.rows().empty() && query.n_touched() * kFewTouched < n_docs) {
      progress.now = base + n_docs;
      visit(query, base, n_docs, progress);
      return;
    }
    Scan scan{sums_.data(), n_chunks, n_docs, alive_.empty() ? nullptr : alive_.data() + base,
              query.rows(), query.stops(), found_, 0};
    for (std::size_t chunk = 0; chunk < n_chunks;) {
      chunk = run_(scan, chunk);
      for (std::size_t i = 0; i < scan.n_found; ++i)
        query.candidates.add(scan.found[i].sum + query.skipped(), static_cast<std::uint32_t>(base + scan.found[i].offset));
      scan.n_found = 0;
      forward_.take(query.query);
      progress.now = base + std::min(chunk * kChunkDocs, n_docs);
      if (query.candidates.settle(forward_, query.skipped(), progress)) scan.stops = query.stops();
    }
  }

  /// Rare terms touch few documents: then only those are looked at and zeroed again.
  void visit(QueryScan& query, std::size_t base, std::size_t n_docs, const Progress& progress) {
    const std::size_t mask = segment_.window_docs - 1;
    const std::uint32_t least = query.candidates.threshold() - query.skipped();
    for (const auto& offsets : query.touched()) {
      for (const std::uint16_t stored : offsets) {
        const std::size_t offset = stored & mask;
        const std::uint32_t sum = sums_[offset];
        sums_[offset] = 0;
        if (sum == 0 || sum < least || offset >= n_docs) continue;
        if (!alive_.empty() && alive_[base + offset] == 0) continue;
        query.candidates.add(sum + query.skipped(), static_cast<std::uint32_t>(base + offset));
      }
    }
    forward_.take(query.query);
    query.candidates.settle(forward_, query.skipped(), progress);
  }

  static constexpr std::size_t kFewTouched = 8;

  const Segment& segment_;
  std::span<const std::uint8_t> alive_;
  ScanKernel run_;
  ForwardScorer forward_;
  std::vector<std::uint16_t> sums_;
  std::vector<Found> found_;
};

}  // namespace lexmax::sparse
