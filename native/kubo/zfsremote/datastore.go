package zfsremote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	ds "github.com/ipfs/go-datastore"
)

const (
	// More than this not synced, or older: the client syncs by itself.
	unsyncedBytes = 64 << 20
	unsyncedAge   = 10 * time.Second
	// Writers wait for that sync when there is so much.
	unsyncedLimit = 4 * unsyncedBytes
)

var (
	_ ds.Datastore           = (*Datastore)(nil)
	_ ds.Batching            = (*Datastore)(nil)
	_ ds.PersistentDatastore = (*Datastore)(nil)
	_ ds.GCDatastore         = (*Datastore)(nil)
)

// Datastore is one namespace of a daemon. Safe for concurrent use.
type Datastore struct {
	cfg     Config
	client  *client
	limits  Limits
	path    string
	closed  atomic.Bool
	deletes deletes

	// recovery is held shared by each change until it is in unsynced, and alone
	// while those are sent again.
	recovery sync.RWMutex
	unsynced unsynced
	// instance of the daemon that has all of unsynced. Guarded by recovery.
	instance string
	// selfSync is the sync that the client makes by itself: one at a time.
	selfSync sync.Mutex
	timer    atomic.Pointer[time.Timer]
}

// Open finds the daemon and makes the namespace if it is missing.
func Open(ctx context.Context, cfg Config) (*Datastore, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	c, err := newClient(&cfg)
	if err != nil {
		return nil, err
	}
	h, err := c.hello(ctx)
	if err != nil {
		return nil, err
	}
	path := "/v1/namespaces/" + url.PathEscape(cfg.Namespace)
	open := request{method: http.MethodPut, path: path + "?layout=" + string(cfg.Layout)}
	instance, err := c.send(ctx, open)
	if err != nil {
		return nil, err
	}
	d := &Datastore{cfg: cfg, client: c, limits: h.Limits, path: path, instance: instance}
	d.deletes.send = d.sendDeletes
	return d, nil
}

// Destroy removes a namespace and its records. Its blocks stay in the repo. One
// that does not exist is no error.
func Destroy(ctx context.Context, cfg Config) error {
	c, err := newClient(&cfg)
	if err != nil {
		return err
	}
	defer c.close()
	path := "/v1/namespaces/" + url.PathEscape(cfg.Namespace)
	_, err = c.send(ctx, request{method: http.MethodDelete, path: path})
	var remote *RemoteError
	if errors.As(err, &remote) && remote.Code == codeUnknown {
		return nil
	}
	return err
}

func (d *Datastore) keyPath(key ds.Key) string {
	return d.path + "/value?key=" + url.QueryEscape(key.String())
}

// Get gives the value, or ErrNotFound.
func (d *Datastore) Get(ctx context.Context, key ds.Key) ([]byte, error) {
	var value []byte
	err := d.read(ctx, key, http.MethodGet, func(resp *http.Response) error {
		value = make([]byte, max(resp.ContentLength, 0))
		if _, err := io.ReadFull(resp.Body, value); err != nil {
			return fmt.Errorf("%w: value of %s: %w", ErrUnavailable, key, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return value, nil
}

// Has asks without reading the value.
func (d *Datastore) Has(ctx context.Context, key ds.Key) (bool, error) {
	_, err := d.GetSize(ctx, key)
	if err == ds.ErrNotFound {
		return false, nil
	}
	return err == nil, err
}

// GetSize gives the value's length, or -1 and ErrNotFound.
func (d *Datastore) GetSize(ctx context.Context, key ds.Key) (int, error) {
	size := -1
	err := d.read(ctx, key, http.MethodHead, func(resp *http.Response) error {
		size = int(resp.ContentLength)
		return nil
	})
	return size, err
}

func (d *Datastore) read(ctx context.Context, key ds.Key, method string,
	use func(*http.Response) error) error {
	if d.closed.Load() {
		return ErrClosed
	}
	if d.deletes.has(key.String()) {
		return ds.ErrNotFound
	}
	resp, err := d.ask(ctx, request{method: method, path: d.keyPath(key)})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return use(resp)
}

// ask makes a request that changes nothing. An answer of a daemon that has lost
// what was not synced does not count: the request is made again after those
// changes were.
func (d *Datastore) ask(ctx context.Context, r request) (*http.Response, error) {
	for {
		resp, instance, err := d.client.do(ctx, r)
		again, lost := d.notice(ctx, instance)
		if lost == nil && !again {
			return resp, err
		}
		if err == nil {
			resp.Body.Close()
		}
		if lost != nil {
			return nil, lost
		}
	}
}

// Put returns once the daemon has acknowledged it.
func (d *Datastore) Put(ctx context.Context, key ds.Key, value []byte) error {
	if err := checkPut(&d.limits, key, value); err != nil {
		return err
	}
	ops := []operation{{key: key.String(), value: value}}
	r := request{method: http.MethodPut, path: d.keyPath(key)}
	if len(value) > 0 {
		r.body = [][]byte{value}
	}
	return d.change(ctx, ops, r)
}

// Delete of what is not there is no error. See the package comment for deletes
// in a row.
func (d *Datastore) Delete(ctx context.Context, key ds.Key) error {
	if d.closed.Load() {
		return ErrClosed
	}
	taken, full := d.deletes.queue(key.String())
	switch {
	case full:
		return d.deletes.flush(ctx)
	case taken:
		return nil
	}
	ops := []operation{{key: key.String(), deleted: true}}
	return d.change(ctx, ops, request{method: http.MethodDelete, path: d.keyPath(key)})
}

func (d *Datastore) sendDeletes(ctx context.Context, keys []string) error {
	ops := make([]operation, len(keys))
	for i, key := range keys {
		ops[i] = operation{key: key, deleted: true}
	}
	return d.acknowledged(ctx, ops, d.batchRequest(ops))
}

func (d *Datastore) batchRequest(ops []operation) request {
	return request{method: http.MethodPost, path: d.path + "/batch", body: batchBody(ops)}
}

// change sends a change after those deletes that were before it.
func (d *Datastore) change(ctx context.Context, ops []operation, r request) error {
	if d.closed.Load() {
		return ErrClosed
	}
	if d.deletes.hasAny(ops) {
		if err := d.deletes.flush(ctx); err != nil {
			return err
		}
	}
	return d.acknowledged(ctx, ops, r)
}

// acknowledged sends a change and keeps it until it is synced.
func (d *Datastore) acknowledged(ctx context.Context, ops []operation, r request) error {
	d.recovery.RLock()
	instance, err := d.client.send(ctx, r)
	kept := 0
	if err == nil {
		kept = d.unsynced.add(ops)
	}
	d.recovery.RUnlock()
	if _, lost := d.notice(ctx, instance); lost != nil {
		return lost
	}
	if err == nil {
		err = d.keepUnsyncedSmall(ctx, kept)
	}
	return err
}

// Sync returns once every change acknowledged before the call is on disk.
func (d *Datastore) Sync(ctx context.Context, _ ds.Key) error {
	if d.closed.Load() {
		return ErrClosed
	}
	if err := d.deletes.flush(ctx); err != nil {
		return err
	}
	for {
		d.recovery.RLock()
		before := d.instance
		mark, some := d.unsynced.mark()
		d.recovery.RUnlock()
		if !some {
			return nil // Kubo's pinner syncs twice, and every mount.
		}
		r := request{method: http.MethodPost, path: d.path + "/sync"}
		instance, err := d.client.send(ctx, r)
		if err != nil {
			return err
		}
		if instance == before {
			d.unsynced.synced(mark)
			return nil
		}
		if _, err := d.notice(ctx, instance); err != nil {
			return err
		}
	}
}

// DiskUsage is what the namespace's blocks or records occupy in the pool. It
// costs the same whatever is stored.
func (d *Datastore) DiskUsage(ctx context.Context) (uint64, error) {
	var answer struct {
		Bytes uint64 `json:"bytes"`
	}
	r := request{method: http.MethodGet, path: d.path + "/usage"}
	_, err := d.client.json(ctx, r, &answer)
	return answer.Bytes, err
}

// Close syncs and lets go of the connections.
func (d *Datastore) Close() error {
	if d.closed.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := d.Sync(ctx, ds.NewKey("/"))
	if d.closed.Swap(true) {
		return nil
	}
	if timer := d.timer.Swap(nil); timer != nil {
		timer.Stop()
	}
	d.client.close()
	return err
}
