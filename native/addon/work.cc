#include "addon/work.h"

#include <algorithm>
#include <utility>

namespace ipfs_zfs::addon {

namespace {

void finish(std::unique_ptr<Task> task) {
  Task* raw = task.get();
  raw->complete(std::move(task));
}

Txg newest(const CommitPoint& point) {
  Txg txg = 0;
  for (const Txg t : point.shard_txgs) txg = std::max(txg, t);
  return txg;
}

bool covers(const CommitPoint& on_disk, const CommitPoint& point) {
  if (point.shard_txgs.size() != on_disk.shard_txgs.size()) return false;
  for (size_t i = 0; i < point.shard_txgs.size(); i++) {
    if (point.shard_txgs[i] > on_disk.shard_txgs[i]) return false;
  }
  return true;
}

}  // namespace

Workers& Workers::instance() {
  static Workers* const workers = new Workers;
  return *workers;
}

Workers::Workers() : max_threads_(std::max(8u, std::thread::hardware_concurrency())) {
  queues_[static_cast<size_t>(Lane::kRead)].limit = max_threads_;
  queues_[static_cast<size_t>(Lane::kWrite)].limit = max_threads_ / 2;
  queues_[static_cast<size_t>(Lane::kAdmin)].limit = max_threads_ / 4;
}

void Workers::submit(Lane lane, std::unique_ptr<Task> task) {
  const std::lock_guard lock(mutex_);
  queues_[static_cast<size_t>(lane)].tasks.push_back(std::move(task));
  if (idle_ == 0 && threads_ < max_threads_) {
    threads_++;
    std::thread([this] { loop(); }).detach();
  } else {
    wake_.notify_one();
  }
}

Workers::Queue* Workers::runnable() {
  for (Queue& queue : queues_) {
    if (!queue.tasks.empty() && queue.running < queue.limit) return &queue;
  }
  return nullptr;
}

void Workers::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    Queue* const queue = runnable();
    if (queue == nullptr) {
      idle_++;
      wake_.wait(lock);
      idle_--;
      continue;
    }
    std::unique_ptr<Task> task = std::move(queue->tasks.front());
    queue->tasks.pop_front();
    queue->running++;
    lock.unlock();
    task->run();
    if (task->status.ok() && task->wait.committer != nullptr) {
      Committer* const committer = task->wait.committer;
      committer->add(std::move(task));
    } else {
      finish(std::move(task));
    }
    lock.lock();
    queue->running--;
  }
}

Committer::~Committer() { stop(); }

void Committer::add(std::unique_ptr<Task> task) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(task));
  if (!thread_.joinable()) {
    stopping_ = false;
    thread_ = std::thread([this] { loop(); });
  } else {
    wake_.notify_one();
  }
}

void Committer::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (!thread_.joinable()) return;
    stopping_ = true;
    wake_.notify_one();
  }
  thread_.join();
  thread_ = std::thread();
}

void Committer::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const auto oldest = std::min_element(
        waiting_.begin(), waiting_.end(),
        [](const auto& a, const auto& b) { return newest(a->wait.point) < newest(b->wait.point); });
    const std::shared_ptr<Durable> what = (*oldest)->wait.what;
    const CommitPoint point = (*oldest)->wait.point;

    lock.unlock();
    const Status status = what->wait_durable(point);
    lock.lock();

    // Those that came while we waited count too: the same group may carry their changes.
    const auto done = std::stable_partition(waiting_.begin(), waiting_.end(), [&](const auto& t) {
      return t->wait.what != what || !covers(point, t->wait.point);
    });
    std::vector<std::unique_ptr<Task>> finished(std::make_move_iterator(done),
                                                std::make_move_iterator(waiting_.end()));
    waiting_.erase(done, waiting_.end());
    lock.unlock();
    for (std::unique_ptr<Task>& task : finished) {
      task->status = status;
      finish(std::move(task));
    }
    lock.lock();
  }
}

}  // namespace ipfs_zfs::addon
