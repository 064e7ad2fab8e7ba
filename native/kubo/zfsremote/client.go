package zfsremote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	protocolVersion = 1
	instanceHeader  = "Ipfs-Zfs-Instance"

	maxConnections = 128
	// Large enough that a block is a few system calls.
	bufferBytes = 256 << 10
	dialTimeout = 5 * time.Second
	firstWait   = 20 * time.Millisecond
	longestWait = 500 * time.Millisecond
)

// client makes requests, several at a time on pooled connections, and repeats
// those that found no daemon.
type client struct {
	base      string
	address   string
	token     string
	reconnect time.Duration
	http      *http.Client
}

// request is one that can be repeated: its body is made anew each time.
type request struct {
	method string
	path   string
	body   [][]byte
}

// Limits are the daemon's.
type Limits struct {
	KeyBytes        int `json:"keyBytes"`
	ValueBytes      int `json:"valueBytes"`
	BlockBytes      int `json:"blockBytes"`
	BatchBytes      int `json:"batchBytes"`
	BatchOperations int `json:"batchOperations"`
}

// Hello is what a daemon says of itself.
type Hello struct {
	Versions []int  `json:"versions"`
	Limits   Limits `json:"limits"`
	// MaxBytes is what its repo can hold, everything included.
	MaxBytes int64 `json:"maxBytes"`
}

func newClient(cfg *Config) (*client, error) {
	path, isUnix := strings.CutPrefix(cfg.Address, "unix:")
	dialer := &net.Dialer{Timeout: dialTimeout}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if isUnix {
				return dialer.DialContext(ctx, "unix", path)
			}
			return dialer.DialContext(ctx, network, address)
		},
		MaxConnsPerHost:     maxConnections,
		MaxIdleConnsPerHost: maxConnections,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
		ReadBufferSize:      bufferBytes,
		WriteBufferSize:     bufferBytes,
	}
	base := "http://" + cfg.Address
	if isUnix {
		base = "http://ipfs-zfs"
	}
	if cfg.TLS && !isUnix {
		base = "https://" + cfg.Address
		config, err := tlsConfig(cfg)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig = config
	}
	return &client{
		base:      base,
		address:   cfg.Address,
		token:     cfg.Token,
		reconnect: cfg.reconnect(),
		http:      &http.Client{Transport: transport},
	}, nil
}

func tlsConfig(cfg *Config) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS13}
	if len(cfg.CA) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(cfg.CA) {
			return nil, errors.New("zfsremote: the CA file has no certificate in PEM")
		}
	}
	return config, nil
}

// AskHello asks the daemon at an address for its versions and limits.
func AskHello(ctx context.Context, cfg Config) (Hello, error) {
	c, err := newClient(&cfg)
	if err != nil {
		return Hello{}, err
	}
	defer c.close()
	return c.hello(ctx)
}

// hello finds out whether we speak the same version.
func (c *client) hello(ctx context.Context) (Hello, error) {
	var h Hello
	if _, err := c.json(ctx, request{method: http.MethodGet, path: "/"}, &h); err != nil {
		return h, err
	}
	if !slices.Contains(h.Versions, protocolVersion) {
		return h, fmt.Errorf("zfsremote: the daemon at %s speaks versions %v of the protocol, "+
			"and this plugin version %d: update the older of the two", c.address, h.Versions,
			protocolVersion)
	}
	return h, nil
}

// do gives the daemon's answer, which has a status below 300, and the daemon's
// instance. The caller closes the body.
func (c *client) do(ctx context.Context, r request) (*http.Response, string, error) {
	deadline := time.Now().Add(c.reconnect)
	wait := firstWait
	for first := true; ; first = false {
		resp, instance, err := c.once(ctx, r)
		if err == nil {
			return resp, instance, nil
		}
		if !isAway(err) || ctx.Err() != nil {
			return nil, instance, err
		}
		// A pooled connection of a daemon that is gone fails once; its
		// successor may be there already.
		if !first && time.Now().Add(wait).After(deadline) {
			return nil, "", err
		}
		select {
		case <-ctx.Done():
			return nil, "", fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		case <-time.After(wait):
			wait = min(wait*2, longestWait)
		}
	}
}

func isAway(err error) bool {
	return errors.Is(err, ErrUnavailable) || isTransient(err)
}

func (c *client) once(ctx context.Context, r request) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path, nil)
	if err != nil {
		return nil, "", err
	}
	if len(r.body) > 0 {
		req.GetBody = func() (io.ReadCloser, error) {
			buffers := net.Buffers(slices.Clone(r.body))
			return io.NopCloser(&buffers), nil
		}
		req.Body, _ = req.GetBody()
		for _, piece := range r.body {
			req.ContentLength += int64(len(piece))
		}
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, "", fmt.Errorf("zfsremote: %s: %w", c.address, context.Cause(ctx))
		}
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return nil, "", fmt.Errorf("%w at %s: %w", ErrUnavailable, c.address, err)
	}
	instance := resp.Header.Get(instanceHeader)
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return nil, instance, remoteError(resp)
	}
	return resp, instance, nil
}

// send makes a request whose answer is only that it was done.
func (c *client) send(ctx context.Context, r request) (string, error) {
	resp, instance, err := c.do(ctx, r)
	if err != nil {
		return instance, err
	}
	return instance, resp.Body.Close()
}

func (c *client) json(ctx context.Context, r request, into any) (string, error) {
	resp, instance, err := c.do(ctx, r)
	if err != nil {
		return instance, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return instance, fmt.Errorf("zfsremote: answer of %s: %w", c.address, err)
	}
	return instance, nil
}

func (c *client) close() {
	c.http.CloseIdleConnections()
}
