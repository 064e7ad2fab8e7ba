package zfsremote

import (
	"context"
	"sync"
	"time"
)

const (
	// A delete this soon after another is one of a row.
	rowGap = 100 * time.Millisecond
	// A queue is sent when it has so many keys, or is this old.
	queueKeys = 1024
	queueAge  = 20 * time.Millisecond
)

// deletes queues the deletes of a row, so that they are sent together.
type deletes struct {
	// send makes one request of all keys. Set once.
	send func(ctx context.Context, keys []string) error

	// sending is held while a queue is on its way, so that they keep order.
	sending sync.Mutex

	mu     sync.Mutex
	queued map[string]struct{}
	// onWay is sent and not yet acknowledged.
	onWay map[string]struct{}
	last  time.Time
	timer *time.Timer
}

// queue takes the key if it is one of a row; else the caller deletes it itself.
// full says that the queue should be sent now.
func (d *deletes) queue(key string) (taken, full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	row := now.Sub(d.last) < rowGap
	d.last = now
	if !row {
		return false, false
	}
	if d.queued == nil {
		d.queued = make(map[string]struct{})
	}
	d.queued[key] = struct{}{}
	if d.timer == nil {
		d.timer = time.AfterFunc(queueAge, d.sendLater)
	}
	return true, len(d.queued) >= queueKeys
}

// has tells whether the key is to be deleted, which for this client it is.
func (d *deletes) has(key string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, queued := d.queued[key]
	_, onWay := d.onWay[key]
	return queued || onWay
}

func (d *deletes) hasAny(ops []operation) bool {
	for i := range ops {
		if d.has(ops[i].key) {
			return true
		}
	}
	return false
}

// flush returns once the daemon has acknowledged every delete queued before. On
// an error they stay in the queue.
func (d *deletes) flush(ctx context.Context) error {
	d.sending.Lock()
	defer d.sending.Unlock()
	keys := d.take()
	if len(keys) == 0 {
		return nil
	}
	err := d.send(ctx, keys)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.onWay = nil
	if err != nil {
		if d.queued == nil {
			d.queued = make(map[string]struct{})
		}
		for _, key := range keys {
			d.queued[key] = struct{}{}
		}
	}
	return err
}

func (d *deletes) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.onWay, d.queued = d.queued, nil
	keys := make([]string, 0, len(d.onWay))
	for key := range d.onWay {
		keys = append(keys, key)
	}
	return keys
}

// sendLater is what the timer runs. It has nobody to tell an error: the keys
// stay queued, and the next call that needs them gone tries again and tells.
func (d *deletes) sendLater() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_ = d.flush(ctx)
}
