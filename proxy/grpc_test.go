package proxy_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"sallyport/audit"
	"sallyport/certs"
)

// conversation is a service of one call and one stream, with the messages of the
// health service, so that nothing needs to be generated.
var conversation = grpc.ServiceDesc{
	ServiceName: "sallyport.test.Conversation",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Say", Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		said := new(health.HealthCheckRequest)
		if err := decode(said); err != nil {
			return nil, err
		}
		auth := metadata.ValueFromIncomingContext(ctx, "authorization")
		if len(auth) != 1 || auth[0] != "Bearer "+canary {
			return nil, status.Error(codes.Unauthenticated, "no credential was injected")
		}
		_ = grpc.SetTrailer(ctx, metadata.Pairs("x-sum", said.GetService()))
		if said.GetService() == "nothing" {
			return nil, status.Error(codes.NotFound, "nothing: 100% of nothing\nat all")
		}
		return said, nil
	}}},
	Streams: []grpc.StreamDesc{{StreamName: "Talk", ServerStreams: true, ClientStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
		_ = stream.SendHeader(metadata.Pairs("x-begin", "yes"))
		for {
			said := new(health.HealthCheckRequest)
			err := stream.RecvMsg(said)
			if errors.Is(err, io.EOF) {
				stream.SetTrailer(metadata.Pairs("x-end", "yes"))
				return status.Error(codes.Aborted, "enough")
			}
			if err != nil {
				return err
			}
			if err := stream.SendMsg(said); err != nil {
				return err
			}
		}
	}}},
}

// grpcUpstream serves the conversation as api.test.
func (r *rig) grpcUpstream() {
	t := r.t
	issued, err := r.originCA.IssueListener(certs.ListenerSpec{URI: "spiffe://origin.test/upstream", Names: []string{"api.test"}}, time.Hour, time.Now())
	require.NoError(t, err)
	server := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&issued.TLS)))
	server.RegisterService(&conversation, struct{}{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	t.Cleanup(func() {
		server.Stop()
		assert.NoError(t, <-served)
	})
	r.point("api.test:443", ln.Addr().String())
	r.configure(r.policy)
}

// grpcClient is an agent's gRPC connection through a tunnel.
func (r *rig) grpcClient(a agent, name string) *grpc.ClientConn {
	conn, err := grpc.NewClient("passthrough:///"+name+":443",
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			return r.connect(a, name+":443", name).NetConn(), nil
		}),
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: r.roots(), ServerName: name})))
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func say(t *testing.T, conn *grpc.ClientConn, text string) (string, metadata.MD, error) {
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	var trailer metadata.MD
	answer := new(health.HealthCheckRequest)
	err := conn.Invoke(ctx, "/sallyport.test.Conversation/Say", &health.HealthCheckRequest{Service: text}, answer, grpc.Trailer(&trailer))
	return answer.GetService(), trailer, err
}

func TestGRPCCall(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.grpcUpstream()
	conn := r.grpcClient(r.agent("a"), "api.test")
	answer, trailer, err := say(t, conn, "hello")
	require.NoError(t, err)
	assert.Equal(t, "hello", answer)
	assert.Equal(t, []string{"hello"}, trailer["x-sum"])
	_, trailer, err = say(t, conn, "nothing")
	assert.Equal(t, codes.NotFound, status.Code(err))
	assert.Equal(t, "nothing: 100% of nothing\nat all", status.Convert(err).Message())
	assert.Equal(t, []string{"nothing"}, trailer["x-sum"])
	for _, row := range r.rows() {
		assert.Equal(t, audit.OutcomeCompleted, row.Outcome.Outcome)
		assert.Equal(t, 200, row.Outcome.Status)
	}
}

func TestGRPCStream(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.grpcUpstream()
	conn := r.grpcClient(r.agent("a"), "api.test")
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	stream, err := conn.NewStream(ctx, &conversation.Streams[0], "/sallyport.test.Conversation/Talk")
	require.NoError(t, err)
	header, err := stream.Header() // before anything was said
	require.NoError(t, err)
	assert.Equal(t, []string{"yes"}, header["x-begin"])
	for _, text := range []string{"one", "two", "three"} {
		require.NoError(t, stream.SendMsg(&health.HealthCheckRequest{Service: text}))
		answer := new(health.HealthCheckRequest)
		require.NoError(t, stream.RecvMsg(answer))
		assert.Equal(t, text, answer.GetService())
	}
	require.NoError(t, stream.CloseSend())
	err = stream.RecvMsg(new(health.HealthCheckRequest))
	assert.Equal(t, codes.Aborted, status.Code(err))
	assert.Equal(t, []string{"yes"}, stream.Trailer()["x-end"])
	assert.Equal(t, audit.OutcomeCompleted, r.rows()[0].Outcome.Outcome)
}

func TestGRPCRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before func(t *testing.T, r *rig, a agent)
		code   codes.Code
		says   string
	}{
		"policy": {func(_ *testing.T, r *rig, _ agent) {
			r.configure("policy: operator\nrules:\n  - {name: little, allow: {host: api.test, path: /other}}\n")
		}, codes.PermissionDenied, "policy"},
		"suspended": {func(t *testing.T, r *rig, a agent) {
			_, err := r.registry.Suspend(t.Context(), a.ID, "test")
			require.NoError(t, err)
		}, codes.PermissionDenied, "suspended"},
		"trail":    {func(t *testing.T, r *rig, _ agent) { t.Cleanup(r.lock()) }, codes.Unavailable, "could not be recorded"},
		"upstream": {func(_ *testing.T, r *rig, _ agent) { r.point("api.test:443", "127.0.0.1:1"); r.configure(r.policy) }, codes.Unavailable, "upstream"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(r *rig) { r.sweep = time.Hour })
			r.grpcUpstream()
			a := r.agent("a")
			conn := r.grpcClient(a, "api.test")
			_, _, err := say(t, conn, "hello")
			require.NoError(t, err)
			r.rows()
			c.before(t, r, a)
			_, _, err = say(t, conn, "hello")
			assert.Equal(t, c.code, status.Code(err), "%v", err)
			assert.Contains(t, status.Convert(err).Message(), c.says)
			assert.Contains(t, status.Convert(err).Message(), "exchange")
		})
	}
}

// A suspension ends an open stream, and the client is not left waiting.
func TestGRPCStreamIsCut(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.grpcUpstream()
	a := r.agent("a")
	stream, err := r.grpcClient(a, "api.test").NewStream(t.Context(), &conversation.Streams[0], "/sallyport.test.Conversation/Talk")
	require.NoError(t, err)
	_, err = stream.Header()
	require.NoError(t, err)
	_, err = r.registry.Suspend(t.Context(), a.ID, "test")
	require.NoError(t, err)
	start := time.Now()
	r.proxy.Cut(a.ID)
	err = stream.RecvMsg(new(health.HealthCheckRequest))
	assert.Equal(t, codes.Unavailable, status.Code(err))
	assert.Less(t, time.Since(start), time.Second)
	assert.Equal(t, audit.OutcomeRevoked, r.rows()[0].Outcome.Outcome)
}
