#include "background.h"

#include <utility>

namespace ipfs_zfs {

Background::~Background() {
  for (Worker& worker : workers_) {
    {
      const std::lock_guard lock(worker.mutex);
      worker.stop = true;
    }
    worker.wake.notify_all();
    if (worker.thread.joinable()) worker.thread.join();
  }
}

void Background::submit(Lane lane, std::function<void()> job) {
  Worker& worker = workers_[static_cast<size_t>(lane)];
  {
    const std::lock_guard lock(worker.mutex);
    worker.jobs.push_back(std::move(job));
    if (!worker.thread.joinable()) {
      worker.thread = std::thread([&worker] { work(worker); });
    }
  }
  worker.wake.notify_one();
}

// Jobs that were submitted are run, also after stop: whoever submitted one counts on it.
void Background::work(Worker& worker) {
  std::unique_lock lock(worker.mutex);
  for (;;) {
    worker.wake.wait(lock, [&worker] { return worker.stop || !worker.jobs.empty(); });
    if (worker.jobs.empty()) return;
    const std::function<void()> job = std::move(worker.jobs.front());
    worker.jobs.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
}

}  // namespace ipfs_zfs
