package zfsremote_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	dstest "github.com/ipfs/go-datastore/test"
	"github.com/multiformats/go-multihash"

	"ipfs-zfs/kubo/zfsremote"
)

// The suite's combinations are a million requests with its own 100 elements.
func init() {
	dstest.ElemCount = 20
	if n, err := strconv.Atoi(os.Getenv("IPFS_ZFS_TEST_ELEMENTS")); err == nil {
		dstest.ElemCount = n
	}
}

// address is that of a running daemon. test/kubo/suite.test.ts starts one.
func address(t *testing.T) string {
	t.Helper()
	a := os.Getenv("IPFS_ZFS_TEST_ADDRESS")
	if a == "" {
		t.Skip("IPFS_ZFS_TEST_ADDRESS is not set")
	}
	return a
}

func randomName(t *testing.T) string {
	t.Helper()
	random := make([]byte, 6)
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	return "test-" + hex.EncodeToString(random)
}

func open(t *testing.T, layout zfsremote.Layout) *zfsremote.Datastore {
	t.Helper()
	cfg := zfsremote.Config{
		Address:   address(t),
		Namespace: randomName(t),
		Layout:    layout,
		Token:     os.Getenv("IPFS_ZFS_TEST_TOKEN"),
	}
	if ca := os.Getenv("IPFS_ZFS_TEST_CA"); ca != "" {
		cfg.TLS = true
		cfg.CA = []byte(ca)
	}
	d, err := zfsremote.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := zfsremote.Destroy(context.Background(), cfg); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestSuiteBlocks(t *testing.T)  { dstest.SubtestAll(t, open(t, zfsremote.LayoutBlocks)) }
func TestSuiteRecords(t *testing.T) { dstest.SubtestAll(t, open(t, zfsremote.LayoutRecords)) }
func TestSuiteRoot(t *testing.T)    { dstest.SubtestAll(t, open(t, zfsremote.LayoutRoot)) }

// hashed is a datastore whose every key becomes that of a block, so that the
// suite reaches the block store. Values stay what the suite puts: the daemon
// takes the word of its client for what a block's bytes are.
type hashed struct {
	ds.Batching
	prefix string
	names  map[string]string
}

func (h *hashed) key(key ds.Key) ds.Key {
	mh, err := multihash.Sum([]byte(key.String()), multihash.SHA2_256, -1)
	if err != nil {
		panic(err)
	}
	name := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mh)
	block := ds.RawKey(h.prefix + "/" + name)
	h.names[block.String()] = key.String()
	return block
}

func (h *hashed) Get(ctx context.Context, key ds.Key) ([]byte, error) {
	return h.Batching.Get(ctx, h.key(key))
}

func (h *hashed) Has(ctx context.Context, key ds.Key) (bool, error) {
	return h.Batching.Has(ctx, h.key(key))
}

func (h *hashed) GetSize(ctx context.Context, key ds.Key) (int, error) {
	return h.Batching.GetSize(ctx, h.key(key))
}

func (h *hashed) Put(ctx context.Context, key ds.Key, value []byte) error {
	return h.Batching.Put(ctx, h.key(key), value)
}

func (h *hashed) Delete(ctx context.Context, key ds.Key) error {
	return h.Batching.Delete(ctx, h.key(key))
}

// Query lists all blocks and applies the query to the keys as the suite knows
// them.
func (h *hashed) Query(ctx context.Context, q query.Query) (query.Results, error) {
	all, err := h.Batching.Query(ctx, query.Query{Prefix: h.prefix, ReturnsSizes: true})
	if err != nil {
		return nil, err
	}
	entries, err := all.Rest()
	if err != nil {
		return nil, err
	}
	for i := range entries {
		entries[i].Key = h.names[entries[i].Key]
	}
	results := query.NaiveQueryApply(q, query.ResultsWithEntries(query.Query{}, entries))
	return query.ResultsReplaceQuery(results, q), nil
}

func (h *hashed) Batch(ctx context.Context) (ds.Batch, error) {
	b, err := h.Batching.Batch(ctx)
	return &hashedBatch{b, h}, err
}

type hashedBatch struct {
	ds.Batch
	h *hashed
}

func (b *hashedBatch) Put(ctx context.Context, key ds.Key, value []byte) error {
	return b.Batch.Put(ctx, b.h.key(key), value)
}

func (b *hashedBatch) Delete(ctx context.Context, key ds.Key) error {
	return b.Batch.Delete(ctx, b.h.key(key))
}

func TestSuiteOnHashedKeys(t *testing.T) {
	for layout, prefix := range map[zfsremote.Layout]string{
		zfsremote.LayoutBlocks: "",
		zfsremote.LayoutRoot:   "/blocks",
	} {
		t.Run(string(layout), func(t *testing.T) {
			h := &hashed{Batching: open(t, layout), prefix: prefix, names: map[string]string{}}
			dstest.SubtestAll(t, h)
		})
	}
}

// block is a key as Kubo makes it, and the bytes that it names.
func block(t *testing.T, content string) (ds.Key, []byte) {
	t.Helper()
	mh, err := multihash.Sum([]byte(content), multihash.SHA2_256, -1)
	if err != nil {
		t.Fatal(err)
	}
	name := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mh)
	return ds.RawKey("/" + name), []byte(content)
}

func TestBlocksAreOrderedByKey(t *testing.T) {
	d := open(t, zfsremote.LayoutBlocks)
	b, err := d.Batch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		key, value := block(t, fmt.Sprint("ordered ", i))
		if err := b.Put(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Put(t.Context(), ds.NewKey("/a record"), nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, order := range []query.Order{query.OrderByKey{}, query.OrderByKeyDescending{}} {
		q := query.Query{KeysOnly: true, ReturnsSizes: true, Orders: []query.Order{order}}
		results, err := d.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		entries, err := results.Rest()
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) != 301 {
			t.Fatalf("%d entries, not 301", len(entries))
		}
		for i := 1; i < len(entries); i++ {
			if order.Compare(entries[i-1], entries[i]) >= 0 {
				t.Fatalf("%s: %s is before %s", order, entries[i-1].Key, entries[i].Key)
			}
		}
	}
}

func TestEmptyValuesExist(t *testing.T) {
	for _, layout := range []zfsremote.Layout{zfsremote.LayoutRecords, zfsremote.LayoutRoot} {
		d := open(t, layout)
		key := ds.NewKey("/pins/index/cidRindex/u1/u2")
		if err := d.Put(t.Context(), key, nil); err != nil {
			t.Fatal(err)
		}
		value, err := d.Get(t.Context(), key)
		if err != nil || value == nil || len(value) != 0 {
			t.Fatalf("got %v, %v", value, err)
		}
		if size, err := d.GetSize(t.Context(), key); size != 0 || err != nil {
			t.Fatalf("size %d, %v", size, err)
		}
	}
}

func TestKeysThatAreNoText(t *testing.T) {
	d := open(t, zfsremote.LayoutRecords)
	for _, text := range []string{"/a b+c", "/%2F%", "/ünïcode/\x00", "/\xff\xfe", "/a?key=b&c", "/."} {
		key := ds.RawKey(text)
		if err := d.Put(t.Context(), key, []byte(text)); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		value, err := d.Get(t.Context(), key)
		if err != nil || string(value) != text {
			t.Fatalf("%q: %q, %v", text, value, err)
		}
	}
	results, err := d.Query(t.Context(), query.Query{})
	if err != nil {
		t.Fatal(err)
	}
	entries, err := results.Rest()
	if err != nil || len(entries) != 6 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for _, e := range entries {
		if e.Key != string(e.Value) {
			t.Fatalf("%q is under %q", e.Value, e.Key)
		}
	}
}

func TestBatchOverOneRequest(t *testing.T) {
	d := open(t, zfsremote.LayoutBlocks)
	b, err := d.Batch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var keys []ds.Key
	for i := range 40 {
		key, value := block(t, fmt.Sprint(i, strings.Repeat("x", 1<<20)))
		keys = append(keys, key)
		if err := b.Put(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Put(t.Context(), ds.NewKey("/after"), []byte("the blocks")); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, key := range append(keys, ds.NewKey("/after")) {
		if has, err := d.Has(t.Context(), key); !has || err != nil {
			t.Fatalf("%d: %v, %v", i, has, err)
		}
	}
}

func TestDeletesInARowAreSeenAtOnce(t *testing.T) {
	d := open(t, zfsremote.LayoutBlocks)
	var keys []ds.Key
	for i := range 3000 {
		key, value := block(t, fmt.Sprint("row ", i))
		keys = append(keys, key)
		if i == 0 || i == 2999 {
			if err := d.Put(t.Context(), key, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, key := range keys {
		if err := d.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if has, err := d.Has(t.Context(), key); has || err != nil {
			t.Fatalf("%s: %v, %v", key, has, err)
		}
	}
	last, value := keys[2999], []byte("row 2999")
	if err := d.Put(t.Context(), last, value); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Get(t.Context(), last); err != nil || !bytes.Equal(got, value) {
		t.Fatalf("put after a queued delete: %q, %v", got, err)
	}
}

func TestSecondOwnerOfBlocksIsRefused(t *testing.T) {
	open(t, zfsremote.LayoutBlocks)
	cfg := zfsremote.Config{
		Address:   address(t),
		Namespace: randomName(t),
		Layout:    zfsremote.LayoutRoot,
		Token:     os.Getenv("IPFS_ZFS_TEST_TOKEN"),
	}
	if ca := os.Getenv("IPFS_ZFS_TEST_CA"); ca != "" {
		cfg.TLS = true
		cfg.CA = []byte(ca)
	}
	_, err := zfsremote.Open(t.Context(), cfg)
	var remote *zfsremote.RemoteError
	if !errors.As(err, &remote) || remote.Code != "ERR_BLOCKS_TAKEN" {
		t.Fatalf("got %v", err)
	}
}

func TestAbsentDaemon(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	started := time.Now()
	_, err := zfsremote.Open(ctx, zfsremote.Config{
		Address:   "unix:" + t.TempDir() + "/none",
		Namespace: "x",
		Layout:    zfsremote.LayoutRecords,
	})
	if !errors.Is(err, zfsremote.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if took := time.Since(started); took > 2*time.Second {
		t.Fatalf("it took %s", took)
	}
}

func TestCancelledContext(t *testing.T) {
	d := open(t, zfsremote.LayoutRecords)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Get(ctx, ds.NewKey("/a")); !errors.Is(err, context.Canceled) {
		t.Fatalf("Get: %v", err)
	}
	if err := d.Put(ctx, ds.NewKey("/a"), []byte("b")); !errors.Is(err, context.Canceled) {
		t.Fatalf("Put: %v", err)
	}
	if _, err := d.Query(ctx, query.Query{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("Query: %v", err)
	}
}

func TestClosed(t *testing.T) {
	d := open(t, zfsremote.LayoutRecords)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Put(t.Context(), ds.NewKey("/a"), nil); !errors.Is(err, zfsremote.ErrClosed) {
		t.Fatalf("Put: %v", err)
	}
	if _, err := d.Get(t.Context(), ds.NewKey("/a")); !errors.Is(err, zfsremote.ErrClosed) {
		t.Fatalf("Get: %v", err)
	}
}
