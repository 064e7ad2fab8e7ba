package plugin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ipfs/kubo/repo"
	"github.com/ipfs/kubo/repo/fsrepo"

	"ipfs-zfs/kubo/zfsremote"
)

const (
	openTimeout = time.Minute
	markerName  = "zfsremote"
)

var _ fsrepo.DatastoreConfig = (*spec)(nil)

// spec is one zfsremote part of Kubo's Datastore.Spec.
type spec struct {
	address   string
	namespace string
	layout    zfsremote.Layout
	path      string
	tokenFile string
	caFile    string
	tls       bool
	reconnect time.Duration
}

func parseSpec(fields map[string]any) (*spec, error) {
	s := &spec{}
	var layout, reconnect string
	texts := map[string]*string{
		"address":   &s.address,
		"namespace": &s.namespace,
		"layout":    &layout,
		"path":      &s.path,
		"tokenFile": &s.tokenFile,
		"caFile":    &s.caFile,
		"reconnect": &reconnect,
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value := fields[name]
		var ok bool
		if target, known := texts[name]; known {
			*target, ok = value.(string)
		} else if name == "tls" {
			s.tls, ok = value.(bool)
		} else if name == "type" || name == "mountpoint" {
			ok = true // Kubo's own; the second is that of a mount without a wrapper.
		} else {
			return nil, fmt.Errorf("zfsremote: the spec has an unknown field %q", name)
		}
		if !ok {
			return nil, fmt.Errorf("zfsremote: field %q of the spec has the wrong type", name)
		}
	}
	for name, value := range map[string]string{"address": s.address, "namespace": s.namespace,
		"layout": layout} {
		if value == "" {
			return nil, fmt.Errorf("zfsremote: the spec needs the field %q", name)
		}
	}
	s.layout = zfsremote.Layout(layout)
	if reconnect != "" {
		var err error
		if s.reconnect, err = time.ParseDuration(reconnect); err != nil {
			return nil, fmt.Errorf("zfsremote: reconnect: %w", err)
		}
	}
	return s, nil
}

// DiskSpec is what makes the data this data and no other.
func (s *spec) DiskSpec() fsrepo.DiskSpec {
	return fsrepo.DiskSpec{
		"type":      typeName,
		"namespace": s.namespace,
		"layout":    string(s.layout),
	}
}

// Create opens the namespace, and makes it if it is missing.
func (s *spec) Create(repoPath string) (repo.Datastore, error) {
	cfg, err := s.config(repoPath)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	if s.path != "" {
		if err := prepareFolder(ctx, s.path, &cfg); err != nil {
			return nil, err
		}
	}
	return zfsremote.Open(ctx, cfg)
}

func (s *spec) config(repoPath string) (zfsremote.Config, error) {
	cfg := zfsremote.Config{
		Address:   s.address,
		Namespace: s.namespace,
		Layout:    s.layout,
		TLS:       s.tls || s.caFile != "",
		Reconnect: s.reconnect,
		Report:    report,
	}
	within := func(path string) string {
		if filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(repoPath, path)
	}
	if socket, ok := strings.CutPrefix(s.address, "unix:"); ok {
		cfg.Address = "unix:" + within(socket)
	}
	if s.tokenFile != "" {
		token, err := os.ReadFile(within(s.tokenFile))
		if err != nil {
			return cfg, fmt.Errorf("zfsremote: tokenFile: %w", err)
		}
		cfg.Token = strings.TrimSpace(string(token))
	}
	if s.caFile != "" {
		ca, err := os.ReadFile(within(s.caFile))
		if err != nil {
			return cfg, fmt.Errorf("zfsremote: caFile: %w", err)
		}
		cfg.CA = ca
	}
	return cfg, nil
}

// prepareFolder makes the namespace that of a folder; see the package comment.
func prepareFolder(ctx context.Context, folder string, cfg *zfsremote.Config) error {
	cfg.Namespace += "~" + folderName(folder)
	cfg.Layout = zfsremote.LayoutRecords
	marker := filepath.Join(folder, markerName)
	if _, err := os.Stat(marker); err == nil {
		return nil
	}
	if err := zfsremote.Destroy(ctx, *cfg); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("zfsremote: %w", err)
	}
	text := "The data of this folder is in the namespace " + cfg.Namespace + " of " + cfg.Address + ".\n"
	return os.WriteFile(marker, []byte(text), 0o644)
}

// folderName is the same wherever the Kubo repo is moved, and readable: the
// keystore's folders are provider-keystore/0 and /1. Anything odd is hashed.
func folderName(folder string) string {
	name := filepath.Base(filepath.Dir(folder)) + "." + filepath.Base(folder)
	for _, c := range name {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789.-", c) {
			sum := sha256.Sum256([]byte(name))
			return hex.EncodeToString(sum[:8])
		}
	}
	return name
}
