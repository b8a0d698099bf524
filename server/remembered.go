package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"sallyport/services"
)

// rememberEvery is how often what services have learnt is written. What a crash loses, they
// learn again.
const rememberEvery = 5 * time.Second

// recall hands to each service what it had learnt before the last stop. What cannot be
// read is as if it had learnt nothing.
func recall(all []services.Service, file func(service string) string, log *slog.Logger) {
	for _, service := range all {
		r, ok := service.(services.Rememberer)
		if !ok {
			continue
		}
		kept, err := os.ReadFile(file(service.Key()))
		if err == nil {
			err = r.Recall(kept)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			log.Warn("what a service had learnt cannot be read; it learns anew", "service", service.Key(), "error", err)
		}
	}
}

// keepRemembered writes what services learn, until ctx ends and once more then.
func keepRemembered(ctx context.Context, all []services.Service, file func(service string) string, log *slog.Logger) {
	ticker := time.NewTicker(rememberEvery)
	defer ticker.Stop()
	for over := false; !over; {
		select {
		case <-ctx.Done():
			over = true
		case <-ticker.C:
		}
		for _, service := range all {
			r, ok := service.(services.Rememberer)
			if !ok {
				continue
			}
			if err := remember(r, file(service.Key())); err != nil {
				log.Warn("what a service has learnt cannot be kept", "service", service.Key(), "error", err)
			}
		}
	}
}

func remember(r services.Rememberer, path string) error {
	learnt, err := r.Remember()
	if err != nil || learnt == nil {
		return err
	}
	staged := path + ".new"
	if err := os.WriteFile(staged, learnt, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", staged, err)
	}
	if err := os.Rename(staged, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
