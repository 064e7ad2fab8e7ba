package zfsremote

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Layout says which keys of a namespace are blocks.
type Layout string

const (
	// LayoutBlocks is for a datastore mounted at /blocks: /CIQ… is a block.
	LayoutBlocks Layout = "blocks"
	// LayoutRecords has keyed records only.
	LayoutRecords Layout = "records"
	// LayoutRoot is for the one datastore of a node: /blocks/CIQ… is a block.
	LayoutRoot Layout = "root"
)

// DefaultReconnect is how long a call waits for a daemon that is away.
const DefaultReconnect = 5 * time.Second

// Config says where the daemon is and what is stored there.
type Config struct {
	// Address is unix:PATH or host:port.
	Address string
	// Namespace identifies the data. The daemon makes it when it is missing.
	Namespace string
	// Layout can not be changed later.
	Layout Layout
	// Token is what a daemon on a host and port asks for.
	Token string
	// TLS uses TLS, with the system's roots or those of CA (PEM).
	TLS bool
	CA  []byte
	// Reconnect is how long a call waits for a daemon that is away; negative:
	// not at all; 0: DefaultReconnect.
	Reconnect time.Duration
	// Report is told what a person should know, a line at a time. May be nil.
	Report func(line string)
}

func (c *Config) check() error {
	switch {
	case c.Namespace == "":
		return errors.New("zfsremote: a namespace is needed")
	case c.Layout != LayoutBlocks && c.Layout != LayoutRecords && c.Layout != LayoutRoot:
		return fmt.Errorf("zfsremote: layout %q is not blocks, records or root", c.Layout)
	case !strings.Contains(c.Address, ":"):
		return fmt.Errorf("zfsremote: address %q is neither unix:PATH nor host:port", c.Address)
	}
	return nil
}

func (c *Config) reconnect() time.Duration {
	if c.Reconnect == 0 {
		return DefaultReconnect
	}
	return max(c.Reconnect, 0)
}

func (c *Config) report(format string, args ...any) {
	if c.Report != nil {
		c.Report(fmt.Sprintf(format, args...))
	}
}
