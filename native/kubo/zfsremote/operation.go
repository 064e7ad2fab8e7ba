package zfsremote

import (
	"encoding/binary"
	"fmt"
	"math"

	ds "github.com/ipfs/go-datastore"
)

// operation is one change; deleted says that value counts for nothing.
type operation struct {
	key     string
	value   []byte
	deleted bool
}

const (
	opEnd    = 0
	opPut    = 1
	opDelete = 2

	opHeadBytes = 7
	opEndBytes  = 5
)

func (o *operation) bytes() int {
	return opHeadBytes + len(o.key) + len(o.value)
}

// batchBody is the body of a batch request. Values are not copied.
func batchBody(ops []operation) [][]byte {
	body := make([][]byte, 0, 2*len(ops)+1)
	for i := range ops {
		op := &ops[i]
		head := make([]byte, 0, opHeadBytes+len(op.key))
		kind := byte(opPut)
		if op.deleted {
			kind = opDelete
		}
		head = append(head, kind)
		head = binary.BigEndian.AppendUint16(head, uint16(len(op.key)))
		head = binary.BigEndian.AppendUint32(head, uint32(len(op.value)))
		body = append(body, append(head, op.key...))
		if len(op.value) > 0 {
			body = append(body, op.value)
		}
	}
	end := binary.BigEndian.AppendUint32([]byte{opEnd}, uint32(len(ops)))
	return append(body, end)
}

// checkPut says no here to what the daemon would refuse, because some callers
// hear of a failed request only later.
func checkPut(limits *Limits, key ds.Key, value []byte) error {
	if len(key.String()) > min(limits.KeyBytes, math.MaxUint16) {
		return fmt.Errorf("zfsremote: a key has at most %d bytes, not %d", limits.KeyBytes,
			len(key.String()))
	}
	if len(value) > limits.ValueBytes {
		return fmt.Errorf("zfsremote: a value has at most %d bytes, not %d", limits.ValueBytes,
			len(value))
	}
	return nil
}
