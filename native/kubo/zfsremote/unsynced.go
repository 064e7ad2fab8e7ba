package zfsremote

import "sync"

// unsynced keeps what the daemon has acknowledged and may not have on disk: of
// each key the last change. It is what is sent again to a daemon that was
// started anew.
type unsynced struct {
	mu    sync.Mutex
	last  map[string]numbered
	seq   uint64
	bytes int
}

type numbered struct {
	operation
	seq uint64
}

func (u *unsynced) add(ops []operation) (bytes int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last == nil {
		u.last = make(map[string]numbered)
	}
	for _, op := range ops {
		if before, ok := u.last[op.key]; ok {
			u.bytes -= before.bytes()
		}
		u.seq++
		u.last[op.key] = numbered{op, u.seq}
		u.bytes += op.bytes()
	}
	return u.bytes
}

// mark gives the number that all changes so far have at most, and whether there
// are any.
func (u *unsynced) mark() (seq uint64, some bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.seq, len(u.last) > 0
}

// synced forgets the changes up to a mark.
func (u *unsynced) synced(mark uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for key, op := range u.last {
		if op.seq <= mark {
			u.bytes -= op.bytes()
			delete(u.last, key)
		}
	}
}

func (u *unsynced) all() []operation {
	u.mu.Lock()
	defer u.mu.Unlock()
	ops := make([]operation, 0, len(u.last))
	for _, op := range u.last {
		ops = append(ops, op.operation)
	}
	return ops
}
