package main

import (
	"bytes"
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/multiformats/go-multihash"
	"golang.org/x/sync/errgroup"

	"ipfs-zfs/kubo/zfsremote"
)

const (
	blocksPrefix = "/blocks"
	pinsPrefix   = "/pins"

	workers = 4
	// A batch has so much, or so many keys.
	batchBytes = 8 << 20
	batchKeys  = 256
)

// parts is where keys go. local is nil where they stay.
type parts struct {
	blocks *zfsremote.Datastore
	pins   *zfsremote.Datastore
	local  ds.Batching
}

// target gives the datastore of a key and the key in it; nil: it stays.
func (p *parts) target(key string) (ds.Batching, ds.Key) {
	if rest, ok := strings.CutPrefix(key, blocksPrefix+"/"); ok {
		return p.blocks, ds.RawKey("/" + rest)
	}
	if rest, ok := strings.CutPrefix(key, pinsPrefix+"/"); ok {
		return p.pins, ds.RawKey("/" + rest)
	}
	if p.local == nil {
		return nil, ds.Key{}
	}
	return p.local, ds.RawKey(key)
}

type mover struct {
	from     ds.Batching
	parts    *parts
	progress *progress
}

func (m *mover) run(ctx context.Context, s *state) error {
	m.progress.begin("copy blocks")
	if err := m.each(ctx, true, m.copyBlocks); err != nil {
		return err
	}
	m.progress.begin("copy records")
	if err := m.each(ctx, false, m.copyRecords); err != nil {
		return err
	}
	if err := m.sync(ctx); err != nil {
		return err
	}
	m.progress.begin("verify blocks")
	if err := m.each(ctx, true, m.verify); err != nil {
		return err
	}
	s.Blocks, s.Bytes = m.progress.totals()
	m.progress.begin("verify records")
	if err := m.each(ctx, false, m.verify); err != nil {
		return err
	}
	s.Verified = true
	return s.save()
}

func (m *mover) sync(ctx context.Context) error {
	err := errors.Join(m.parts.blocks.Sync(ctx, ds.NewKey("/")), m.parts.pins.Sync(ctx, ds.NewKey("/")))
	if m.parts.local != nil {
		err = errors.Join(err, m.parts.local.Sync(ctx, ds.NewKey("/")))
	}
	return err
}

// each lists keys, those of blocks or all others that move, and hands them on
// in groups, several at a time.
func (m *mover) each(ctx context.Context, blocks bool, use func(context.Context, []string) error) error {
	q := query.Query{KeysOnly: true}
	if blocks {
		q.Prefix = blocksPrefix
	}
	results, err := m.from.Query(ctx, q)
	if err != nil {
		return err
	}
	defer results.Close()
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	var keys []string
	hand := func() {
		some := keys
		keys = nil
		group.Go(func() error { return use(working, some) })
	}
	for working.Err() == nil {
		result, ok := results.NextSync()
		if !ok {
			break
		}
		if result.Error != nil {
			return errors.Join(result.Error, group.Wait())
		}
		isBlock := strings.HasPrefix(result.Key, blocksPrefix+"/")
		if to, _ := m.parts.target(result.Key); to == nil || isBlock != blocks {
			continue
		}
		if keys = append(keys, result.Key); len(keys) == batchKeys {
			hand()
		}
	}
	if len(keys) > 0 {
		hand()
	}
	return errors.Join(group.Wait(), context.Cause(ctx))
}

func (m *mover) copyBlocks(ctx context.Context, keys []string) error {
	batch, err := m.parts.blocks.Batch(ctx)
	if err != nil {
		return err
	}
	size := 0
	for _, key := range keys {
		to, name := m.parts.target(key)
		has, err := to.Has(ctx, name)
		if err != nil {
			return err
		}
		if has {
			m.progress.add(1, 0)
			continue
		}
		value, err := m.from.Get(ctx, ds.RawKey(key))
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if err := checkHash(key, value); err != nil {
			return err
		}
		if err := batch.Put(ctx, name, value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		m.progress.add(1, len(value))
		if size += len(value); size >= batchBytes {
			if err := batch.Commit(ctx); err != nil {
				return err
			}
			size = 0
		}
	}
	return batch.Commit(ctx)
}

// copyRecords overwrites: unlike a block, a record can have changed since the
// last run.
func (m *mover) copyRecords(ctx context.Context, keys []string) error {
	batches := map[ds.Batching]ds.Batch{}
	for _, key := range keys {
		to, name := m.parts.target(key)
		value, err := m.from.Get(ctx, ds.RawKey(key))
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if batches[to] == nil {
			if batches[to], err = to.Batch(ctx); err != nil {
				return err
			}
		}
		if err := batches[to].Put(ctx, name, value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		m.progress.add(1, len(value))
	}
	for _, batch := range batches {
		if err := batch.Commit(ctx); err != nil {
			return err
		}
	}
	return nil
}

// verify reads both sides.
func (m *mover) verify(ctx context.Context, keys []string) error {
	for _, key := range keys {
		to, name := m.parts.target(key)
		got, err := to.Get(ctx, name)
		if err != nil {
			return fmt.Errorf("%s is not in the new store: %w", key, err)
		}
		if strings.HasPrefix(key, blocksPrefix+"/") {
			err = checkHash(key, got)
		} else {
			var wanted []byte
			wanted, err = m.from.Get(ctx, ds.RawKey(key))
			if err == nil && !bytes.Equal(got, wanted) {
				err = fmt.Errorf("%s is not the same in the new store", key)
			}
		}
		if err != nil {
			return err
		}
		m.progress.add(1, len(got))
	}
	return nil
}

func checkHash(key string, value []byte) error {
	name := strings.TrimPrefix(key, blocksPrefix+"/")
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(name)
	if err != nil {
		return fmt.Errorf("%s is not the key of a block: %w", key, err)
	}
	wanted, err := multihash.Decode(raw)
	if err != nil {
		return fmt.Errorf("%s is not the key of a block: %w", key, err)
	}
	sum, err := multihash.Sum(value, wanted.Code, wanted.Length)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	if !bytes.Equal(sum, raw) {
		return fmt.Errorf("%s: the block is damaged: its bytes do not have this hash; "+
			"ipfs repo verify lists such blocks, ipfs block rm removes one", key)
	}
	return nil
}
