package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime/pkg/client"
)

// pollEvery is the resolution of the latency figures.
const pollEvery = 20 * time.Millisecond

// systemNamespace is where the portal, the gateway and the operator run.
const systemNamespace = "weft-system"

func connect(kubeconfig string) (ctrl.Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 200, 400
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("building the scheme: %w", err)
	}
	cluster, err := ctrl.New(config, ctrl.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	return cluster, nil
}

// settled says whether the status speaks of this generation and is Ready.
func settled(flow *v1alpha1.Flow) bool {
	ready := meta.FindStatusCondition(flow.Status.Conditions, v1alpha1.ConditionReady)
	return ready != nil && ready.Status == "True" && ready.ObservedGeneration == flow.Generation &&
		flow.Status.Revision.Serving == flow.Status.Revision.Desired
}

// awaitFlow polls a flow until the condition holds, and returns it.
func awaitFlow(ctx context.Context, cluster ctrl.Client, key ctrl.ObjectKey, holds func(*v1alpha1.Flow) bool) (*v1alpha1.Flow, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		var flow v1alpha1.Flow
		if err := cluster.Get(ctx, key, &flow); err != nil && ctrl.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading flow %s: %w", key.Name, err)
		}
		if flow.UID != "" && holds(&flow) {
			return &flow, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for flow %s: %w; its conditions are %+v", key.Name, ctx.Err(), flow.Status.Conditions)
		case <-time.After(pollEvery):
		}
	}
}

// containerMemory is the resident memory, in bytes, of the processes of each
// pod of this machine that the selector picks. It reads /proc, as the figures
// of a kubelet do not say which part of the memory is a file's.
func containerMemory(ctx context.Context, cluster ctrl.Client, options ...ctrl.ListOption) ([]int64, error) {
	var pods corev1.PodList
	if err := cluster.List(ctx, &pods, options...); err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	var sizes []int64
	for i := range pods.Items {
		if pods.Items[i].Status.Phase != corev1.PodRunning {
			continue
		}
		size, err := podMemory(string(pods.Items[i].UID))
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, size)
	}
	slices.Sort(sizes)
	return sizes, nil
}

func podMemory(uid string) (int64, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		return 0, fmt.Errorf("listing processes: %w", err)
	}
	var largest int64
	for _, file := range files {
		groups, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(groups), uid) {
			continue // the process has ended, or is another's
		}
		size, err := processMemory(filepath.Dir(file))
		if err == nil {
			largest = max(largest, size)
		}
	}
	if largest == 0 {
		return 0, errors.New("the pod has no process on this machine: run the benchmark on the machine of the cluster")
	}
	return largest, nil
}

func processMemory(folder string) (int64, error) {
	data, err := os.ReadFile(filepath.Join(folder, "statm"))
	if err != nil {
		return 0, fmt.Errorf("reading the memory of a process: %w", err)
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(data), &size, &resident); err != nil {
		return 0, fmt.Errorf("reading statm: %w", err)
	}
	return resident * int64(os.Getpagesize()), nil
}
