package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"ipfs-zfs/kubo/plugin"
)

const stateName = "zfs-migration.json"

// state is what a second run must know of the first.
type state struct {
	Namespace string `json:"namespace"`
	// Verified: everything is copied and compared; only the config is left.
	Verified bool  `json:"verified"`
	Blocks   int64 `json:"blocks"`
	Bytes    int64 `json:"bytes"`

	path string
}

func loadState(repo string) (*state, error) {
	s := &state{path: filepath.Join(repo, stateName)}
	text, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		s.Namespace = plugin.RandomNamespace()
		return s, s.save()
	}
	if err != nil {
		return nil, err
	}
	return s, json.Unmarshal(text, s)
}

func (s *state) save() error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return replaceFile(s.path, append(text, '\n'), 0o600)
}

func (s *state) remove() error {
	return os.Remove(s.path)
}

// replaceFile leaves the old file or the new one, whatever happens.
func replaceFile(path string, text []byte, mode fs.FileMode) error {
	unfinished := path + ".new"
	f, err := os.OpenFile(unfinished, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(unfinished, path)
}
