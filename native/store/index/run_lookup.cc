// Looking keys up in a run, many at a time. Memory is what a lookup waits for, so each step asks
// for what the next one will touch, for all keys, before any of them goes on.
#include <algorithm>

#include "../bytes.h"
#include "../ensure.h"
#include "run.h"

namespace ipfs_zfs {

namespace {

// How far from the guess a record is, mostly: of 102 uniform keys, those below one of them vary by
// five at most in two cases of three.
constexpr size_t kRecordsAround = 4;

// The page buffer of a thread's lookups: big enough to keep, too big for the stack.
uint8_t* lookup_pages() {
  thread_local std::vector<uint8_t> pages(Lookups::kMax * kPageBytes);
  return pages.data();
}

// The first of `records` whose key is not less than `key`. Digests are uniform, so it is near
// `guess`.
size_t place_in_page(std::span<const Record> records, const Key& key, size_t guess) {
  size_t at = std::min(guess, records.size());
  while (at < records.size() && less(records[at].key, key)) at++;
  while (at > 0 && !less(records[at - 1].key, key)) at--;
  return at;
}

}  // namespace

// Where in its page the key should be, in records.
size_t Run::guess_in_page(uint64_t page, uint64_t prefix) const {
  const uint64_t first = fences_[page];
  const uint64_t after = page + 1 < fences_.size() ? fences_[page + 1] : UINT64_MAX;
  if (after <= first || prefix <= first) return 0;
  const double share =
      static_cast<double>(prefix - first) / static_cast<double>(after - first) * kPageRecords;
  return std::min(static_cast<size_t>(share), kPageRecords - 1);
}

bool Run::find_in_page(const uint8_t* page, const Key& key, size_t guess, Found* found) const {
  const auto records = records_of(page);
  const size_t at = place_in_page(records, key, guess);
  if (at == records.size() || records[at].key != key) {
    // Below the whole page: the key may lie at the end of a page before, under an equal prefix.
    return at != 0;
  }
  found->value = records[at].value;
  found->state = found->value == kTombstone ? Lookup::kAbsent : Lookup::kFound;
  return true;
}

// Two keys with the same 8-byte prefix in two pages: rare, and then one page at a time.
void Run::find_backwards(uint64_t page, const Key& key, Found* found) const {
  std::vector<uint8_t> bytes(kPageBytes);
  while (page > 0 && fences_[page] == prefix_of(key)) {
    page--;
    const Status read = read_pages(page, 1, bytes.data());
    if (!read) {
      found->state = Lookup::kFailed;
      found->error = read.error().code;
      return;
    }
    if (find_in_page(bytes.data(), key, 0, found)) return;
  }
}

// The keys that the filter lets through.
size_t Run::pass_filter(Lookups& lookups, Candidate* candidates) const {
  const auto pending = lookups.pending();
  FilterPlaces places[Lookups::kMax];
  const FilterShape* shapes[Lookups::kMax];
  for (size_t i = 0; i < pending.size(); i++) {
    const Key& key = lookups.keys[pending[i]];
    const FilterShape& shape = shapes_[filter_chunk_of(prefix_of(key), shapes_.size())];
    shapes[i] = &shape;
    if (shape.segment_count == 0) continue;
    places[i] = filter_places(shape, filter_mix(filter_hash(key, filter_seed_), shape.seed));
    const uint8_t* base = fingerprints_.data() + shape.offset;
    for (const uint64_t at : places[i].at) __builtin_prefetch(base + at);
  }
  lookups.counts.filter_probes += pending.size();
  size_t count = 0;
  for (size_t i = 0; i < pending.size(); i++) {
    const FilterShape& shape = *shapes[i];
    const bool maybe = shape.segment_count == 0
                           ? shape.holds_all != 0
                           : filter_holds(places[i], fingerprints_.data() + shape.offset);
    if (maybe) candidates[count++] = Candidate{0, pending[i]};
  }
  return count;
}

// The keys that may be here, and the pages where they would be.
size_t Run::probe(Lookups& lookups, Candidate* candidates) const {
  size_t count = 0;
  if (has_filter_) {
    count = pass_filter(lookups, candidates);
  } else {
    for (const uint8_t key : lookups.pending()) candidates[count++] = Candidate{0, key};
  }
  for (size_t i = 0; i < count; i++) {
    const uint64_t prefix = prefix_of(lookups.keys[candidates[i].key]);
    __builtin_prefetch(fences_.data() + filter_chunk_of(prefix, fences_.size()));
  }
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    const uint64_t page = page_of(lookups.keys[candidates[i].key]);
    if (page == pages()) continue;
    candidates[kept++] = Candidate{page, candidates[i].key};
  }
  return kept;
}

void Run::search(Lookups& lookups, const Candidate& candidate, const uint8_t* page) const {
  const Key& key = lookups.keys[candidate.key];
  Found& found = lookups.found[candidate.key];
  if (!find_in_page(page, key, guess_in_page(candidate.page, prefix_of(key)), &found)) {
    find_backwards(candidate.page, key, &found);
  }
  lookups.counts.false_positives += has_filter_ && found.state == Lookup::kPending ? 1 : 0;
}

// Resolves what the cache can, and moves the others to the front.
size_t Run::search_cached(Lookups& lookups, Candidate* candidates, size_t count,
                          PageCache& cache) const {
  for (size_t i = 0; i < count; i++) {
    if (const auto tag = page_tag(info_.id, candidates[i].page)) cache.prefetch_tags(*tag);
  }
  for (size_t i = 0; i < count; i++) {
    const auto tag = page_tag(info_.id, candidates[i].page);
    const uint64_t prefix = prefix_of(lookups.keys[candidates[i].key]);
    const size_t guess = guess_in_page(candidates[i].page, prefix);
    if (!tag) continue;
    const size_t from = guess < kRecordsAround ? 0 : guess - kRecordsAround;
    const size_t to = std::min(guess + kRecordsAround + 1, kPageRecords);
    cache.prefetch_page(*tag, from * sizeof(Record), to * sizeof(Record));
  }
  size_t left = 0;
  for (size_t i = 0; i < count; i++) {
    const auto tag = page_tag(info_.id, candidates[i].page);
    const auto use = [&](const uint8_t* page) { search(lookups, candidates[i], page); };
    if (tag && cache.find(*tag, use)) continue;
    candidates[left++] = candidates[i];
  }
  lookups.counts.cached_pages += count - left;
  return left;
}

void Run::find_many(Lookups& lookups, PageCache& cache) const {
  ENSURE(lookups.keys.size() == lookups.found.size() && lookups.keys.size() <= Lookups::kMax);
  Candidate candidates[Lookups::kMax];
  size_t count = probe(lookups, candidates);
  if (count > 0) count = search_cached(lookups, candidates, count, cache);
  if (count == 0) return;
  // Keys of one page share its read.
  std::sort(candidates, candidates + count,
            [](const Candidate& a, const Candidate& b) { return a.page < b.page; });
  ReadOp reads[Lookups::kMax];
  size_t read_of[Lookups::kMax];
  size_t pages_read = 0;
  uint8_t* into = lookup_pages();
  for (size_t i = 0; i < count; i++) {
    if (i == 0 || candidates[i].page != candidates[i - 1].page) {
      reads[pages_read] =
          ReadOp{(candidates[i].page + 1) * kPageBytes, kPageBytes, into + pages_read * kPageBytes};
      pages_read++;
    }
    read_of[i] = pages_read - 1;
  }
  lookups.counts.read_pages += pages_read;
  const Status read = files_.read(file_, {reads, pages_read});
  for (size_t i = 0; i < count; i++) {
    const ReadOp& op = reads[read_of[i]];
    const auto* page = static_cast<const uint8_t*>(op.into);
    if (!read || !op.ok || !prove_once(candidates[i].page, page)) {
      Found& found = lookups.found[candidates[i].key];
      found.state = Lookup::kFailed;
      found.error = !read ? read.error().code : !op.ok ? op.error : ErrorCode::kCorrupt;
      continue;
    }
    search(lookups, candidates[i], page);
    if (const auto tag = page_tag(info_.id, candidates[i].page)) cache.insert(*tag, page);
  }
}

bool Run::find_now(const Key& key, Found* found, PageCache& cache) const {
  uint64_t page = may_contain(key) ? page_of(key) : pages();
  if (page == pages()) return true;
  for (;; page--) {
    const size_t guess = guess_in_page(page, prefix_of(key));
    bool decided = false;
    const auto use = [&](const uint8_t* bytes) {
      decided = find_in_page(bytes, key, guess, found);
    };
    const auto tag = page_tag(info_.id, page);
    if (!tag || !cache.find(*tag, use)) {
      uint8_t* bytes = lookup_pages();
      ReadOp read{(page + 1) * kPageBytes, kPageBytes, bytes};
      if (!files_.read_now(file_, read) || !prove_once(page, bytes)) return false;
      use(bytes);
      if (tag) cache.insert(*tag, bytes);
    }
    // Under a prefix that two pages share the key may lie in the page before.
    if (decided || page == 0 || fences_[page] != prefix_of(key)) return true;
  }
}

}  // namespace ipfs_zfs
