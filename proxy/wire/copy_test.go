package wire_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/proxy/wire"
)

func TestALiveAnswerPassesAsItComes(t *testing.T) {
	t.Parallel()
	body, source := io.Pipe()
	var seen bytes.Buffer
	received := make(chan int64, 1)
	conn := inTunnel(t, func(f *wire.Flow, _ http.ResponseWriter, _ *http.Request) {
		assert.NoError(t, f.Copy(body, true, &seen))
		received <- f.Received()
	})
	_, err := io.WriteString(conn, get)
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil) // before there is a first piece
	require.NoError(t, err)
	defer response.Body.Close()
	for _, piece := range []string{"one", "two"} {
		_, err := io.WriteString(source, piece)
		require.NoError(t, err)
		got := make([]byte, len(piece))
		_, err = io.ReadFull(response.Body, got)
		require.NoError(t, err)
		assert.Equal(t, piece, string(got))
	}
	require.NoError(t, source.Close())
	assert.EqualValues(t, 6, <-received)
	assert.Equal(t, "onetwo", seen.String())
}

// An upstream that breaks off, an agent that is gone and a cut are told apart.
func TestWhyAnAnswerWasNotPassedOn(t *testing.T) {
	t.Parallel()
	results := make(chan error, 1)
	run := func(copied func(f *wire.Flow) error) (net.Conn, *house) {
		h := &house{handler: flowing(func(f *wire.Flow, _ http.ResponseWriter, _ *http.Request) { results <- copied(f) })}
		conn := newRig(t, h).connect("example.test", "http/1.1")
		_, err := io.WriteString(conn, get)
		require.NoError(t, err)
		return conn, h
	}
	run(func(f *wire.Flow) error {
		return f.Copy(io.MultiReader(bytes.NewReader([]byte("x")), failing{}), false, nil)
	})
	require.ErrorIs(t, <-results, io.ErrUnexpectedEOF, "the upstream's")

	run(func(f *wire.Flow) error {
		f.Cut(errStop)
		return f.Copy(bytes.NewReader(nil), false, nil)
	})
	require.ErrorIs(t, <-results, errStop, "though the answer ended in good order")

	conn, _ := run(func(f *wire.Flow) error { return f.Copy(endless{}, true, nil) })
	require.NoError(t, conn.Close())
	var write *wire.WriteError
	require.ErrorAs(t, <-results, &write)
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// switched is what a relay of these ends tells.
func switched(t *testing.T, upstream io.ReadWriteCloser) (agent net.Conn, told chan wire.Ending, flows chan *wire.Flow) {
	told, flows = make(chan wire.Ending, 1), make(chan *wire.Flow, 1)
	agent = inTunnel(t, func(f *wire.Flow, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		w.WriteHeader(http.StatusSwitchingProtocols)
		flows <- f
		how, err := f.Relay(upstream)
		assert.NoError(t, err)
		told <- how
	})
	_, err := io.WriteString(agent, "GET / HTTP/1.1\r\nHost: example.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly")
	require.NoError(t, err)
	reader := bufio.NewReaderSize(agent, 16)
	for line := ""; line != "\r\n"; {
		line, err = reader.ReadString('\n')
		require.NoError(t, err)
	}
	require.Zero(t, reader.Buffered())
	return agent, told, flows
}

func TestARelayPassesBothWaysAndCounts(t *testing.T) {
	t.Parallel()
	upstream, far := net.Pipe()
	agent, told, flows := switched(t, upstream)
	got := make([]byte, 5)
	_, err := io.ReadFull(far, got)
	require.NoError(t, err)
	assert.Equal(t, "early", string(got), "what came right behind the request")
	_, err = io.WriteString(far, "back")
	require.NoError(t, err)
	_, err = io.ReadFull(agent, got[:4])
	require.NoError(t, err)
	require.NoError(t, far.Close())
	how := <-told
	assert.NoError(t, how.Err)
	f := <-flows
	assert.EqualValues(t, 5, f.Sent())
	assert.EqualValues(t, 4, f.Received())
	assert.False(t, f.IsCut())
	_, err = agent.Read(got)
	require.Error(t, err, "the other side is closed too")
}

func TestARelayIsCut(t *testing.T) {
	t.Parallel()
	upstream, far := net.Pipe()
	defer far.Close()
	_, told, flows := switched(t, upstream)
	f := <-flows
	f.Cut(errStop)
	<-told
	assert.True(t, f.IsCut())
	_, err := io.Copy(io.Discard, far)
	assert.NoError(t, err, "it is closed, after what came early")
}

func TestWhoseSideEndedARelay(t *testing.T) {
	t.Parallel()
	_, told, _ := switched(t, refusing{make(chan struct{})})
	how := <-told
	require.ErrorIs(t, how.Err, errNo)
	assert.False(t, how.Agent, "the upstream takes nothing")
}

// refusing is an upstream that says nothing and takes nothing.
type refusing struct{ closed chan struct{} }

func (r refusing) Read([]byte) (int, error) {
	<-r.closed
	return 0, io.EOF
}

func (refusing) Write([]byte) (int, error) { return 0, errNo }

func (r refusing) Close() error {
	close(r.closed)
	return nil
}
