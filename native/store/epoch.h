// When may a place on disk be used again? When every reader that could have looked it up is gone.
//
// A reader enters before it looks a location up and leaves when it has the bytes. Whoever frees a
// location first makes it unfindable, then calls synchronize(), which waits for the readers that
// were inside; those that come later cannot have found it. Readers never wait, and a stream of new
// readers cannot starve synchronize(), because new ones count in the other half.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

namespace ipfs_zfs {

class Epoch {
 public:
  class Guard {
   public:
    explicit Guard(std::atomic<uint64_t>* count) : count_(count) {}
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() { count_->fetch_sub(1); }

   private:
    std::atomic<uint64_t>* count_;
  };

  [[nodiscard]] Guard enter() {
    Stripe& stripe = stripes_[stripe_of_thread()];
    std::atomic<uint64_t>* count = &stripe.count[half_.load() & 1];
    count->fetch_add(1);
    return Guard(count);
  }

  // The calling thread must not be inside.
  void synchronize() {
    const std::lock_guard lock(mutex_);
    const uint32_t half = half_.load() & 1;
    wait_for_none(half ^ 1);  // late-comers of the round before
    half_.fetch_xor(1);
    wait_for_none(half);
  }

 private:
  // Enough that two cores seldom share a cache line; a power of two for the mask.
  static constexpr size_t kStripes = 8;
  // A warm read takes microseconds, a cold one milliseconds: yield first, then sleep.
  static constexpr int kYields = 64;
  static constexpr std::chrono::microseconds kNap{50};

  struct alignas(64) Stripe {
    std::array<std::atomic<uint64_t>, 2> count{};
  };

  static size_t stripe_of_thread() {
    static std::atomic<size_t> next{0};
    thread_local const size_t stripe = next.fetch_add(1) % kStripes;
    return stripe;
  }

  void wait_for_none(uint32_t half) {
    for (Stripe& stripe : stripes_) {
      for (int turn = 0; stripe.count[half].load() != 0; turn++) {
        if (turn < kYields) {
          std::this_thread::yield();
        } else {
          std::this_thread::sleep_for(kNap);
        }
      }
    }
  }

  std::mutex mutex_;
  std::atomic<uint32_t> half_{0};
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace ipfs_zfs
