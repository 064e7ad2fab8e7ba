package zfsremote

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"

	"github.com/ipfs/go-datastore/query"
)

const (
	frameComplete = 0
	frameKey      = 1
	frameKeySize  = 2
	frameKeyValue = 3
	frameFailed   = 255
)

type wireQuery struct {
	Prefix   string       `json:"prefix"`
	Filters  []wireFilter `json:"filters"`
	Orders   []wireOrder  `json:"orders"`
	Offset   int          `json:"offset"`
	Limit    int          `json:"limit"`
	KeysOnly bool         `json:"keysOnly"`
	Sizes    bool         `json:"sizes"`
}

type wireFilter struct {
	Kind   string `json:"kind"`
	Op     string `json:"op,omitempty"`
	Key    []byte `json:"key,omitempty"`
	Prefix []byte `json:"prefix,omitempty"`
	Value  []byte `json:"value,omitempty"`
}

type wireOrder struct {
	By         string `json:"by"`
	Descending bool   `json:"descending"`
}

// Query streams. The daemon applies everything but filters and orders that are
// Go functions; those, and what comes after them, are applied here. An entry
// with an Error ends the results; they never end early without one.
func (d *Datastore) Query(ctx context.Context, q query.Query) (query.Results, error) {
	if d.closed.Load() {
		return nil, ErrClosed
	}
	if err := d.deletes.flush(ctx); err != nil {
		return nil, err
	}
	wire, ok := toWire(q)
	if ok {
		return d.stream(ctx, q, wire)
	}
	all := query.Query{Prefix: q.Prefix, ReturnsSizes: q.ReturnsSizes}
	wire, _ = toWire(all)
	results, err := d.stream(ctx, all, wire)
	if err != nil {
		return nil, err
	}
	rest := q
	rest.Prefix = ""
	return query.ResultsReplaceQuery(query.NaiveQueryApply(rest, results), q), nil
}

// toWire says false for what only Go code can do.
func toWire(q query.Query) (wireQuery, bool) {
	prefix := path.Clean("/" + q.Prefix)
	if prefix == "/" {
		prefix = ""
	}
	wire := wireQuery{
		Prefix:   prefix,
		Filters:  []wireFilter{},
		Orders:   []wireOrder{},
		Offset:   max(q.Offset, 0),
		Limit:    max(q.Limit, 0),
		KeysOnly: q.KeysOnly,
		Sizes:    q.ReturnsSizes,
	}
	for _, filter := range q.Filters {
		w, ok := filterToWire(filter)
		if !ok {
			return wire, false
		}
		wire.Filters = append(wire.Filters, w)
	}
	for _, order := range q.Orders {
		w, ok := orderToWire(order)
		if !ok {
			return wire, false
		}
		wire.Orders = append(wire.Orders, w)
	}
	return wire, true
}

func filterToWire(filter query.Filter) (wireFilter, bool) {
	switch f := filter.(type) {
	case query.FilterKeyCompare:
		return wireFilter{Kind: "key", Op: string(f.Op), Key: notNil(f.Key)}, true
	case *query.FilterKeyCompare:
		return filterToWire(*f)
	case query.FilterKeyPrefix:
		return wireFilter{Kind: "keyPrefix", Prefix: notNil(f.Prefix)}, true
	case *query.FilterKeyPrefix:
		return filterToWire(*f)
	case query.FilterValueCompare:
		return wireFilter{Kind: "value", Op: string(f.Op), Value: notNil(string(f.Value))}, true
	case *query.FilterValueCompare:
		return filterToWire(*f)
	}
	return wireFilter{}, false
}

// notNil is for encoding/json, which would write a nil slice as null.
func notNil(s string) []byte {
	return append([]byte{}, s...)
}

func orderToWire(order query.Order) (wireOrder, bool) {
	switch order.(type) {
	case query.OrderByKey, *query.OrderByKey:
		return wireOrder{By: "key"}, true
	case query.OrderByKeyDescending, *query.OrderByKeyDescending:
		return wireOrder{By: "key", Descending: true}, true
	case query.OrderByValue, *query.OrderByValue:
		return wireOrder{By: "value"}, true
	case query.OrderByValueDescending, *query.OrderByValueDescending:
		return wireOrder{By: "value", Descending: true}, true
	}
	return wireOrder{}, false
}

func (d *Datastore) stream(ctx context.Context, q query.Query, wire wireQuery) (
	query.Results, error) {
	body, err := json.Marshal(wire)
	if err != nil {
		return nil, err
	}
	r := request{method: http.MethodPost, path: d.path + "/query", body: [][]byte{body}}
	ctx, cancel := context.WithCancel(ctx)
	resp, err := d.ask(ctx, r)
	if err != nil {
		cancel()
		return nil, err
	}
	frames := &frames{reader: bufio.NewReaderSize(resp.Body, 64<<10), keysOnly: q.KeysOnly}
	return query.ResultsFromIterator(q, query.Iterator{
		Next: frames.next,
		Close: func() error {
			cancel()
			return resp.Body.Close()
		},
	}), nil
}

// frames reads the answer to a query.
type frames struct {
	reader   *bufio.Reader
	keysOnly bool
	count    uint64
	ended    bool
}

func (f *frames) next() (query.Result, bool) {
	if f.ended {
		return query.Result{}, false
	}
	entry, err := f.read()
	if err == io.EOF {
		f.ended = true
		return query.Result{}, false
	}
	if err != nil {
		f.ended = true
		return query.Result{Error: err}, true
	}
	f.count++
	return query.Result{Entry: entry}, true
}

// read gives io.EOF only after the frame that says that the answer is complete.
func (f *frames) read() (query.Entry, error) {
	kind, err := f.reader.ReadByte()
	if err != nil {
		return query.Entry{}, f.cutOff(err)
	}
	switch kind {
	case frameKey, frameKeySize, frameKeyValue:
		entry, err := f.readEntry(kind)
		return entry, f.cutOff(err)
	case frameComplete:
		var count [8]byte
		if _, err := io.ReadFull(f.reader, count[:]); err != nil {
			return query.Entry{}, f.cutOff(err)
		}
		if told := binary.BigEndian.Uint64(count[:]); told != f.count {
			return query.Entry{}, fmt.Errorf("zfsremote: %d entries came, and %d were sent", f.count,
				told)
		}
		// To the end of the body: only then can the connection be used again.
		if _, err := f.reader.ReadByte(); err != io.EOF {
			return query.Entry{}, errors.New("zfsremote: more follows the end of a query's answer")
		}
		return query.Entry{}, io.EOF
	case frameFailed:
		return query.Entry{}, f.readFailure()
	}
	return query.Entry{}, fmt.Errorf("zfsremote: there is no frame of kind %d", kind)
}

func (f *frames) cutOff(err error) error {
	if err == nil {
		return nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: the answer to a query was cut off after %d entries: %w", ErrUnavailable,
		f.count, err)
}

func (f *frames) readEntry(kind byte) (query.Entry, error) {
	head := make([]byte, 6)
	if kind == frameKey {
		head = head[:2]
	}
	if _, err := io.ReadFull(f.reader, head); err != nil {
		return query.Entry{}, err
	}
	key := make([]byte, binary.BigEndian.Uint16(head))
	if _, err := io.ReadFull(f.reader, key); err != nil {
		return query.Entry{}, err
	}
	entry := query.Entry{Key: string(key), Size: -1}
	if kind == frameKey {
		return entry, nil
	}
	entry.Size = int(binary.BigEndian.Uint32(head[2:]))
	if kind == frameKeySize {
		return entry, nil
	}
	entry.Value = make([]byte, entry.Size)
	_, err := io.ReadFull(f.reader, entry.Value)
	return entry, err
}

func (f *frames) readFailure() error {
	var length [4]byte
	if _, err := io.ReadFull(f.reader, length[:]); err != nil {
		return f.cutOff(err)
	}
	body := make([]byte, min(binary.BigEndian.Uint32(length[:]), 64<<10))
	if _, err := io.ReadFull(f.reader, body); err != nil {
		return f.cutOff(err)
	}
	failure := &RemoteError{Status: http.StatusOK}
	if err := json.Unmarshal(body, failure); err != nil {
		return fmt.Errorf("zfsremote: a query failed, and this says why: %q", body)
	}
	return failure
}
