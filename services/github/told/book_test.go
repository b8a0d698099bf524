package told_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/services/github/told"
)

const (
	server = "github.com"
	agent  = "11111111-1111-4111-8111-111111111111"
	other  = "22222222-2222-4222-8222-222222222222"
)

// clock stands until it is set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func (c *clock) hour() time.Time { return c.at.Add(time.Hour) }

func book() (*told.Book, *clock) {
	c := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	return told.New(c.now), c
}

func name(b *told.Book, agent, server, number string) string {
	n, known := b.Name(agent, server, number)
	if known && n == "" {
		return "another"
	}
	return n
}

func TestANumberIsWhatItsServerToldThisAgent(t *testing.T) {
	t.Parallel()
	b, c := book()
	b.Tell(agent, server, "repositories/7", "repos/acme/web", c.hour())
	assert.Equal(t, "repos/acme/web", name(b, agent, server, "repositories/7"))
	assert.Empty(t, name(b, agent, server, "repositories/8"))
	assert.Empty(t, name(b, agent, "github.example.com", "repositories/7"), "another server's numbers are its own")
	assert.Empty(t, name(b, other, server, "repositories/7"), "another agent was not told")

	b.Tell(agent, "github.example.com", "repositories/7", "repos/acme/secret", c.hour())
	assert.Equal(t, "repos/acme/web", name(b, agent, server, "repositories/7"), "no server tells of another's")
	b.Tell(agent, server, "repositories/7", "repos/acme/renamed", c.hour())
	assert.Equal(t, "repos/acme/renamed", name(b, agent, server, "repositories/7"), "the newest counts")
	b.Tell(agent, server, "repositories/7", "", c.hour())
	assert.Equal(t, "another", name(b, agent, server, "repositories/7"))
	b.Tell("", server, "repositories/9", "repos/acme/web", c.hour())
	assert.Empty(t, name(b, "", server, "repositories/9"), "nobody is told nothing")
}

func TestANumberEnds(t *testing.T) {
	t.Parallel()
	b, c := book()
	b.Tell(agent, server, "repositories/7", "repos/acme/web", c.at.Add(24*time.Hour))
	b.Tell(agent, server, "repositories/8", "repos/acme/api", c.at.Add(time.Minute))
	b.Tell(agent, server, "repositories/7", "repos/acme/old", c.at.Add(time.Second))
	c.at = c.at.Add(time.Minute)
	assert.Empty(t, name(b, agent, server, "repositories/8"))
	assert.Equal(t, "repos/acme/web", name(b, agent, server, "repositories/7"), "what was told before does not count again")
	c.at = c.at.Add(told.NumberLife - time.Minute)
	assert.Empty(t, name(b, agent, server, "repositories/7"))
}

func TestABookIsBounded(t *testing.T) {
	t.Parallel()
	b, c := book()
	b.Tell(agent, server, "repositories/0", "repos/acme/first", c.at.Add(time.Minute))
	for i := range 1000 {
		b.Tell(agent, server, fmt.Sprint("repositories/", 1+i), "repos/acme/web", c.hour())
	}
	assert.Empty(t, name(b, agent, server, "repositories/0"), "the first to end makes room")
	known := 0
	for i := range 1001 {
		if name(b, agent, server, fmt.Sprint("repositories/", i)) != "" {
			known++
		}
	}
	assert.Equal(t, 256, known)
	c.at = c.at.Add(time.Second)
	for i := range 1024 {
		b.Tell(fmt.Sprint("agent ", i), server, "repositories/7", "repos/acme/web", c.hour())
	}
	assert.Empty(t, name(b, agent, server, "repositories/1000"), "the agent that was told nothing for the longest time makes room")
	b.Tell(agent, server, "repositories/7", "repos/"+strings.Repeat("a", 300), c.hour())
	assert.Empty(t, name(b, agent, server, "repositories/7"), "no name is so long")
}

func TestALinkIsOneAgentsOneAddressForMinutes(t *testing.T) {
	t.Parallel()
	b, c := book()
	const address = "https://storage.example.com/artifact?sig=abc"
	b.Lead(agent, server, address, "actions/download-artifact acme/web")
	at, by, led := b.Led(agent, address)
	assert.True(t, led)
	assert.Equal(t, server, at)
	assert.Equal(t, "actions/download-artifact acme/web", by)
	for _, elsewhere := range []string{address + "&x=1", "https://storage.example.com/artifact", "https://storage.example.com/artifact?sig=abd", "https://storage.example.com/"} {
		_, _, led := b.Led(agent, elsewhere)
		assert.False(t, led, elsewhere)
	}
	_, _, led = b.Led(other, address)
	assert.False(t, led, "another agent was not led there")
	c.at = c.at.Add(told.LinkLife)
	_, _, led = b.Led(agent, address)
	assert.False(t, led)
	for i := range 200 {
		c.at = c.at.Add(time.Millisecond)
		b.Lead(agent, server, fmt.Sprint(address, i), "x")
	}
	_, _, led = b.Led(agent, fmt.Sprint(address, 0))
	assert.False(t, led, "the oldest makes room")
	_, _, led = b.Led(agent, fmt.Sprint(address, 199))
	assert.True(t, led)
}

func TestNumbersOutliveARestartAndLinksDoNot(t *testing.T) {
	t.Parallel()
	b, c := book()
	nothing, err := b.Snapshot()
	require.NoError(t, err)
	assert.Nil(t, nothing)
	b.Tell(agent, server, "repositories/7", "repos/acme/web", c.hour())
	b.Tell(agent, server, "repositories/8", "", c.hour())
	b.Tell(agent, server, "repositories/9", "repos/acme/api", c.at.Add(time.Minute))
	b.Lead(agent, server, "https://storage.example.com/?sig=abc", "x")
	snapshot, err := b.Snapshot()
	require.NoError(t, err)
	assert.NotContains(t, string(snapshot), "storage", "what is signed is never written")
	nothing, err = b.Snapshot()
	require.NoError(t, err)
	assert.Nil(t, nothing, "nothing is new")

	again := told.New(c.now)
	c.at = c.at.Add(time.Minute)
	require.NoError(t, again.Restore(snapshot))
	assert.Equal(t, "repos/acme/web", name(again, agent, server, "repositories/7"))
	assert.Equal(t, "another", name(again, agent, server, "repositories/8"))
	assert.Empty(t, name(again, agent, server, "repositories/9"), "what has ended stays so")
	_, _, led := again.Led(agent, "https://storage.example.com/?sig=abc")
	assert.False(t, led)
	require.ErrorContains(t, again.Restore([]byte("{")), "read what GitHub has told")
}
