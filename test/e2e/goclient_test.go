package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
)

// goClientMode names the variable that turns this test binary into a client.
// Go reads proxy variables once a process, so a client needs its own.
const goClientMode = "SALLYPORT_E2E_CLIENT"

// goClient runs one client as a Go program would be written that knows nothing
// of the proxy: default transport, default roots.
func goClient(mode string, args []string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	clients := map[string]func(context.Context, string) error{"http": httpClient, "websocket": websocketClient, "grpc": grpcClient, "github": gitHubClient}
	if err := clients[mode](ctx, args[0]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func httpClient(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Printf("%s %s %s\n", resp.Proto, resp.Status, body)
	return err
}

func websocketClient(ctx context.Context, url string) error {
	c, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	for _, word := range []string{"one", "two"} {
		if err := c.Write(ctx, websocket.MessageText, []byte(word)); err != nil {
			return err
		}
		_, message, err := c.Read(ctx)
		if err != nil {
			return err
		}
		fmt.Println(string(message))
	}
	return c.Close(websocket.StatusNormalClosure, "")
}

func grpcClient(ctx context.Context, target string) error {
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(credentials.NewTLS(nil)))
	if err != nil {
		return err
	}
	defer conn.Close()
	check := healthpb.NewHealthClient(conn)
	answer, err := check.Check(ctx, &healthpb.HealthCheckRequest{Service: "e2e"})
	if err != nil {
		return err
	}
	fmt.Println("unary", answer.GetStatus())
	watch, err := check.Watch(ctx, &healthpb.HealthCheckRequest{Service: "e2e"})
	if err != nil {
		return err
	}
	if answer, err = watch.Recv(); err != nil {
		return err
	}
	fmt.Println("stream", answer.GetStatus())
	_, err = check.Check(ctx, &healthpb.HealthCheckRequest{Service: "unknown"})
	fmt.Println("trailers", err)
	return both(ctx, conn)
}

// both asks twice on one stream, the second time after the first answer.
func both(ctx context.Context, conn *grpc.ClientConn) error {
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		return err
	}
	for range 2 {
		question := &reflectionpb.ServerReflectionRequest{
			MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{},
		}
		if err := stream.Send(question); err != nil {
			return err
		}
		answer, err := stream.Recv()
		if err != nil {
			return err
		}
		fmt.Println("both ways", len(answer.GetListServicesResponse().GetService()), "services")
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the stream did not end: %w", err)
	}
	return nil
}
