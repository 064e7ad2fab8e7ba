package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/kubo/config"
	"github.com/ipfs/kubo/plugin/loader"
	"github.com/ipfs/kubo/repo/fsrepo"

	"ipfs-zfs/kubo/plugin"
	"ipfs-zfs/kubo/zfsremote"
)

func migrate(ctx context.Context, repoPath string, door plugin.Door) error {
	if err := loadPlugins(repoPath); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(repoPath, "config")); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no Kubo repo at %s", repoPath)
	}
	s, err := loadState(repoPath)
	if err != nil {
		return err
	}
	var p progress
	if !s.Verified {
		if err := copyAndVerify(ctx, repoPath, door, s, &p); err != nil {
			return err
		}
	}
	if err := switchConfig(repoPath, door, s.Namespace); err != nil {
		return err
	}
	p.finish(s.Blocks, s.Bytes)
	return s.remove()
}

func loadPlugins(repoPath string) error {
	l, err := loader.NewPluginLoader(repoPath)
	if err != nil {
		return err
	}
	for _, p := range plugin.Plugins {
		if err := l.Load(p); err != nil {
			return err
		}
	}
	return errors.Join(l.Initialize(), l.Inject())
}

func copyAndVerify(ctx context.Context, repoPath string, door plugin.Door, s *state,
	p *progress) error {
	// Kubo's own lock is on the repo until Close: no daemon can change it.
	r, err := fsrepo.Open(repoPath)
	if err != nil {
		return err
	}
	defer r.Close()
	cfg, err := r.Config()
	if err != nil {
		return err
	}
	if spec, err := json.Marshal(cfg.Datastore.Spec); err != nil {
		return err
	} else if strings.Contains(string(spec), `"zfsremote"`) {
		return errors.New("this repo's blocks are in an ipfs-zfs daemon already; " +
			"see ipfs-zfs kubo configure")
	}
	parts, closeParts, err := openParts(ctx, repoPath, door, s.Namespace, r.Datastore(),
		cfg.Datastore.Spec)
	if err != nil {
		return err
	}
	m := mover{from: r.Datastore(), parts: parts, progress: p}
	err = m.run(ctx, s)
	return errors.Join(err, closeParts())
}

// openParts opens what the new spec mounts, except a local store that the repo
// has at the same place already.
func openParts(ctx context.Context, repoPath string, door plugin.Door, namespace string,
	from ds.Batching, oldSpec map[string]any) (*parts, func() error, error) {
	remote := func(suffix string, layout zfsremote.Layout) (*zfsremote.Datastore, error) {
		cfg, err := door.Config()
		if err != nil {
			return nil, err
		}
		cfg.Namespace = namespace + suffix
		cfg.Layout = layout
		return zfsremote.Open(ctx, cfg)
	}
	blocks, err := remote(plugin.BlocksSuffix, zfsremote.LayoutBlocks)
	if err != nil {
		return nil, nil, err
	}
	pins, err := remote(plugin.PinsSuffix, zfsremote.LayoutRecords)
	if err != nil {
		return nil, nil, errors.Join(err, blocks.Close())
	}
	p := &parts{blocks: blocks, pins: pins}
	closeRemote := func() error { return errors.Join(blocks.Close(), pins.Close()) }
	if hasLocal(oldSpec) {
		return p, closeRemote, nil
	}
	local, err := fsrepo.AnyDatastoreConfig(plugin.LocalSpec())
	if err != nil {
		return nil, nil, errors.Join(err, closeRemote())
	}
	p.local, err = local.Create(repoPath)
	if err != nil {
		return nil, nil, errors.Join(err, closeRemote())
	}
	return p, func() error { return errors.Join(p.local.Close(), closeRemote()) }, nil
}

// hasLocal tells whether the root of the repo is the local store that it will
// have: then what is there stays there.
func hasLocal(spec map[string]any) bool {
	switch spec["type"] {
	case "mount":
		mounts, _ := spec["mounts"].([]any)
		for _, m := range mounts {
			part, _ := m.(map[string]any)
			if part["mountpoint"] == "/" {
				return hasLocal(part)
			}
		}
	case "measure", "log":
		child, _ := spec["child"].(map[string]any)
		return hasLocal(child)
	}
	local := plugin.LocalSpec()
	return spec["type"] == local["type"] && spec["path"] == local["path"]
}

// switchConfig can be done again: the copies are made only once.
func switchConfig(repoPath string, door plugin.Door, namespace string) error {
	configPath := filepath.Join(repoPath, "config")
	specPath := filepath.Join(repoPath, "datastore_spec")
	for _, path := range []string{configPath, specPath} {
		if err := keepCopy(path); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(configPath)
	if err != nil {
		return err
	}
	var c config.Config
	if err := json.Unmarshal(text, &c); err != nil {
		return err
	}
	if err := plugin.Apply(&c, door, namespace, false); err != nil {
		return err
	}
	spec, err := fsrepo.AnyDatastoreConfig(c.Datastore.Spec)
	if err != nil {
		return err
	}
	// Through a map, so that what this version of Kubo does not know is kept.
	var whole map[string]any
	if err := json.Unmarshal(text, &whole); err != nil {
		return err
	}
	applied, err := json.Marshal(&c)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(applied, &whole); err != nil {
		return err
	}
	if text, err = json.MarshalIndent(whole, "", "  "); err != nil {
		return err
	}
	if err := replaceFile(specPath, spec.DiskSpec().Bytes(), 0o600); err != nil {
		return err
	}
	return replaceFile(configPath, append(text, '\n'), 0o600)
}

func keepCopy(path string) error {
	kept := path + ".before-zfs"
	if _, err := os.Stat(kept); err == nil {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return replaceFile(kept, text, 0o600)
}
