package zfsremote

import (
	"context"
	"encoding/base32"
	"strings"

	ds "github.com/ipfs/go-datastore"

	"github.com/multiformats/go-multihash"
)

// partBytes is how much a request carries; a batch over it sends blocks ahead.
const partBytes = 32 << 20

var _ ds.Batch = (*batch)(nil)

// batch collects changes; of several on one key the last counts.
type batch struct {
	d     *Datastore
	index map[string]int
	ops   []operation
}

// Batch begins a batch. Nothing is sent before Commit.
func (d *Datastore) Batch(context.Context) (ds.Batch, error) {
	if d.closed.Load() {
		return nil, ErrClosed
	}
	return &batch{d: d, index: make(map[string]int)}, nil
}

func (b *batch) Put(_ context.Context, key ds.Key, value []byte) error {
	if err := checkPut(&b.d.limits, key, value); err != nil {
		return err
	}
	b.add(operation{key: key.String(), value: value})
	return nil
}

func (b *batch) Delete(_ context.Context, key ds.Key) error {
	b.add(operation{key: key.String(), deleted: true})
	return nil
}

func (b *batch) add(op operation) {
	if i, ok := b.index[op.key]; ok {
		b.ops[i] = op
		return
	}
	b.index[op.key] = len(b.ops)
	b.ops = append(b.ops, op)
}

// Commit sends the batch and leaves it empty.
func (b *batch) Commit(ctx context.Context) error {
	ops := b.ops
	b.ops, b.index = nil, make(map[string]int)
	for _, part := range b.d.parts(ops) {
		if err := b.d.change(ctx, part, b.d.batchRequest(part)); err != nil {
			return err
		}
	}
	return nil
}

// parts cuts what is too much for one request. Only puts of blocks go ahead,
// because nothing refers to those before the last part, which has all else.
func (d *Datastore) parts(ops []operation) [][]operation {
	total := 0
	for i := range ops {
		total += ops[i].bytes()
	}
	if len(ops) == 0 {
		return nil
	}
	if total <= partBytes && len(ops) <= d.limits.BatchOperations {
		return [][]operation{ops}
	}
	var parts [][]operation
	var part, rest []operation
	bytes := 0
	for _, op := range ops {
		if op.deleted || !d.isBlock(op.key) {
			rest = append(rest, op)
			continue
		}
		if len(part) > 0 && (bytes+op.bytes() > partBytes || len(part) == d.limits.BatchOperations) {
			parts = append(parts, part)
			part, bytes = nil, 0
		}
		part = append(part, op)
		bytes += op.bytes()
	}
	if len(part) > 0 {
		parts = append(parts, part)
	}
	if len(rest) > 0 {
		parts = append(parts, rest)
	}
	return parts
}

// isBlock tells whether the daemon keeps the key's value as a block.
func (d *Datastore) isBlock(key string) bool {
	prefix := map[Layout]string{LayoutBlocks: "/", LayoutRoot: "/blocks/"}[d.cfg.Layout]
	name, ok := strings.CutPrefix(key, prefix)
	if prefix == "" || !ok {
		return false
	}
	bytes, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(name)
	if err != nil {
		return false
	}
	_, err = multihash.Cast(bytes)
	return err == nil
}
