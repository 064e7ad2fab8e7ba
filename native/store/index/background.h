// Two threads for the work that nobody waits for: one turns tables into runs, one merges runs. They
// are apart so that a long merge never holds up a table that writers need emptied. All shards of a
// store share them; they start with the first job.
#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace ipfs_zfs {

class Background {
 public:
  enum class Lane : uint8_t { kFlush, kMerge };

  Background() = default;
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  void submit(Lane lane, std::function<void()> job);

 private:
  struct Worker {
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<std::function<void()>> jobs;
    bool stop = false;
    std::thread thread;
  };

  static void work(Worker& worker);

  std::array<Worker, 2> workers_;
};

}  // namespace ipfs_zfs
