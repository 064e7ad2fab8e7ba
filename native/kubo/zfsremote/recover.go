package zfsremote

import (
	"context"
	"fmt"
	"time"

	ds "github.com/ipfs/go-datastore"
)

// notice compares the daemon's instance with the one that has our unsynced
// changes. When another one answered, those are sent again; changed then says
// that what was read may have been read before that.
func (d *Datastore) notice(ctx context.Context, instance string) (changed bool, err error) {
	if instance == "" {
		return false, nil
	}
	d.recovery.RLock()
	same := d.instance == instance
	d.recovery.RUnlock()
	if same {
		return false, nil
	}
	d.recovery.Lock()
	defer d.recovery.Unlock()
	for d.instance != instance {
		ops := d.unsynced.all()
		acknowledgedBy, err := d.resend(ctx, ops, instance)
		if err != nil {
			return true, fmt.Errorf("zfsremote: the daemon was started anew, and %d changes that "+
				"were not synced could not be sent again (they will be, with the next call): %w",
				len(ops), err)
		}
		if acknowledgedBy == instance {
			d.instance = instance
			d.cfg.report("zfsremote: the ipfs-zfs daemon at %s was started anew; %d changes that "+
				"were not synced have been sent again", d.cfg.Address, len(ops))
		}
		instance = acknowledgedBy
	}
	return true, nil
}

// resend gives the instance that acknowledged the last part.
func (d *Datastore) resend(ctx context.Context, ops []operation, instance string) (string, error) {
	for _, part := range d.parts(ops) {
		by, err := d.client.send(ctx, d.batchRequest(part))
		if err != nil {
			return "", err
		}
		instance = by
	}
	return instance, nil
}

// keepUnsyncedSmall syncs when much is kept for a daemon that could be lost.
func (d *Datastore) keepUnsyncedSmall(ctx context.Context, kept int) error {
	switch {
	case kept > unsyncedLimit:
		d.selfSync.Lock()
		defer d.selfSync.Unlock()
		return d.Sync(ctx, ds.NewKey("/"))
	case kept > unsyncedBytes:
		go d.syncBySelf()
	case kept > 0:
		d.armTimer()
	}
	return nil
}

func (d *Datastore) armTimer() {
	if d.timer.Load() != nil {
		return
	}
	timer := time.AfterFunc(unsyncedAge, func() {
		d.timer.Store(nil)
		d.syncBySelf()
	})
	if !d.timer.CompareAndSwap(nil, timer) {
		timer.Stop()
	}
}

// syncBySelf is in nobody's way: one at a time, and an error only means that
// more is kept, until a sync that somebody asked for tells it.
func (d *Datastore) syncBySelf() {
	if !d.selfSync.TryLock() {
		return
	}
	defer d.selfSync.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := d.Sync(ctx, ds.NewKey("/")); err != nil && !d.closed.Load() {
		d.armTimer()
	}
}
