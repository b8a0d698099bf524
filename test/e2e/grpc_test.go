package e2e_test

import (
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
)

// newGRPC serves health checks (unary and server streaming) and reflection
// (bidirectional streaming), so that no protocol of our own has to be compiled.
func newGRPC() http.Handler {
	s := grpc.NewServer()
	h := health.NewServer()
	h.SetServingStatus("e2e", healthpb.HealthCheckResponse_SERVING)
	healthpb.RegisterHealthServer(s, h)
	reflection.Register(s)
	return s
}
