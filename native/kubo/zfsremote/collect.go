package zfsremote

import (
	"context"
	"net/http"
	"strings"
	"time"
)

type collected struct {
	HeldBytes int64 `json:"heldBytes"`
	Snapshots []struct {
		Name      string    `json:"name"`
		Created   time.Time `json:"created"`
		UsedBytes int64     `json:"usedBytes"`
	} `json:"snapshots"`
}

// CollectGarbage is what Kubo calls once at the end of a collection, after it
// has deleted block by block: the daemon gives back the space of those. What
// snapshots still hold is told with the name of each, since space that does not
// come back is the first thing that one asks about after a collection.
func (d *Datastore) CollectGarbage(ctx context.Context) error {
	if d.closed.Load() {
		return ErrClosed
	}
	if err := d.deletes.flush(ctx); err != nil {
		return err
	}
	if d.cfg.Layout == LayoutRecords {
		return nil // Kubo calls each mount; what was deleted are blocks.
	}
	var c collected
	r := request{method: http.MethodPost, path: d.path + "/gc"}
	if _, err := d.client.json(ctx, r, &c); err != nil {
		return err
	}
	if c.HeldBytes == 0 || len(c.Snapshots) == 0 {
		return nil
	}
	names := make([]string, len(c.Snapshots))
	for i, s := range c.Snapshots {
		names[i] = s.Name + " (" + s.Created.Format(time.DateTime) + ")"
	}
	d.cfg.report("zfsremote: %d bytes that were deleted are still in snapshots and return when these "+
		"are destroyed: %s; ipfs-zfs snapshot destroy NAME", c.HeldBytes, strings.Join(names, ", "))
	return nil
}
