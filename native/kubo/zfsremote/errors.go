package zfsremote

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	ds "github.com/ipfs/go-datastore"
)

var (
	// ErrUnavailable is what calls fail with while the daemon is away.
	ErrUnavailable = errors.New("the ipfs-zfs daemon does not answer")
	// ErrClosed is what calls fail with after Close.
	ErrClosed = errors.New("zfsremote: the datastore is closed")
)

// RemoteError is what the daemon says when it cannot do what was asked.
type RemoteError struct {
	Status  int    `json:"-"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *RemoteError) Error() string {
	return fmt.Sprintf("ipfs-zfs: %s (%s)", e.Message, e.Code)
}

const (
	errorHeader  = "Ipfs-Zfs-Error"
	codeNotFound = "ERR_NOT_FOUND"
	codeUnknown  = "ERR_UNKNOWN_NAMESPACE"
)

// remoteError reads what an answer with an error status says.
func remoteError(resp *http.Response) error {
	if resp.Header.Get(errorHeader) == codeNotFound {
		return ds.ErrNotFound
	}
	e := RemoteError{Status: resp.StatusCode}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err := json.Unmarshal(body, &e); err != nil || e.Code == "" {
		e.Code = resp.Header.Get(errorHeader)
		e.Message = fmt.Sprintf("the daemon answered %s", resp.Status)
	}
	return &e
}

// isTransient tells an answer after which the same request can succeed: the
// daemon is stopping, or has no room for one more connection.
func isTransient(err error) bool {
	var e *RemoteError
	return errors.As(err, &e) && e.Status == http.StatusServiceUnavailable
}
