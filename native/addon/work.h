// The addon's own threads: what they run, and who waits for the disk.
//
// Nothing here knows JavaScript. A task is run once by a worker; when it changed something that
// must reach the disk first, it then waits with the pool's committer, so that no worker is held.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "result.h"
#include "store/block_store.h"

namespace ipfs_zfs::addon {

class Committer;

// Something whose changes reach the disk: a block store, or the files of a pool.
class Durable {
 public:
  virtual ~Durable() = default;
  virtual Status wait_durable(const CommitPoint& point) = 0;
};

struct Wait {
  Committer* committer = nullptr;
  std::shared_ptr<Durable> what;
  CommitPoint point;
};

// Reads always find a thread: writes (which ZFS may throttle) and long administrative work each
// have a share of the threads and no more.
enum class Lane : uint8_t { kRead, kWrite, kAdmin };

class Task {
 public:
  Task() = default;
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  virtual ~Task() = default;

  virtual void run() = 0;
  // Called once, by the thread that finished it. Takes ownership.
  virtual void complete(std::unique_ptr<Task> self) = 0;

  Status status;  // set by run(), then by the committer
  Wait wait;      // set by run() when `committer` must have its turn
};

class Workers {
 public:
  // Never destroyed: its threads may still run while the process leaves main().
  static Workers& instance();

  void submit(Lane lane, std::unique_ptr<Task> task);

 private:
  struct Queue {
    std::deque<std::unique_ptr<Task>> tasks;
    size_t running = 0;
    size_t limit = 0;
  };

  Workers();
  void loop();
  Queue* runnable();

  std::mutex mutex_;
  std::condition_variable wake_;
  Queue queues_[3];
  size_t idle_ = 0;
  size_t threads_ = 0;
  size_t max_threads_ = 0;
};

// One thread a pool. Waits for the oldest transaction group that anybody waits for, completes all
// whose changes are then on disk, and goes on with the next.
class Committer {
 public:
  Committer() = default;
  ~Committer();

  void add(std::unique_ptr<Task> task);
  void stop();  // nobody may be waiting; add() starts it again

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::unique_ptr<Task>> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace ipfs_zfs::addon
