package jail

import (
	"net/netip"
	"sync"
)

// remembered is how many ends of connections are known at a time.
const remembered = 4096

// programs knows which program has opened which end of a connection, and who last
// wanted to reach an address.
type programs struct {
	mu    sync.Mutex
	ends  memory
	goals memory
}

// memory keeps the newest entries.
type memory struct {
	file map[netip.AddrPort]string
	ring [remembered]netip.AddrPort
	next int
}

func (m *memory) note(at netip.AddrPort, file string) {
	if m.file == nil {
		m.file = map[netip.AddrPort]string{}
	}
	if _, known := m.file[at]; !known {
		delete(m.file, m.ring[m.next])
		m.ring[m.next] = at
		m.next = (m.next + 1) % remembered
	}
	m.file[at] = file
}

// opened notes who opened a connection with this end.
func (p *programs) opened(end netip.AddrPort, file string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ends.note(end, file)
}

// wanted notes who wants to reach an address.
func (p *programs) wanted(goal netip.AddrPort, file string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.goals.note(goal, file)
}

func (p *programs) of(end netip.AddrPort) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ends.file[end]
}

func (p *programs) to(goal netip.AddrPort) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.goals.file[goal]
}
