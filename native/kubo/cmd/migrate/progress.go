package main

import (
	"encoding/json"
	"os"
	"sync"
	"time"
)

const progressEvery = 500 * time.Millisecond

// progress prints how far a phase is.
type progress struct {
	Phase string `json:"phase"`
	Done  int64  `json:"done"`
	Bytes int64  `json:"bytes"`

	mu   sync.Mutex
	last time.Time
}

func (p *progress) begin(phase string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Phase, p.Done, p.Bytes = phase, 0, 0
	p.print()
}

func (p *progress) add(count int, bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Done += int64(count)
	p.Bytes += int64(bytes)
	if time.Since(p.last) >= progressEvery {
		p.print()
	}
}

// finish prints the last line, with what a phase had in all.
func (p *progress) finish(done, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Phase, p.Done, p.Bytes = "done", done, bytes
	p.print()
}

func (p *progress) totals() (done, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.Done, p.Bytes
}

func (p *progress) print() {
	p.last = time.Now()
	_ = json.NewEncoder(os.Stdout).Encode(p)
}
