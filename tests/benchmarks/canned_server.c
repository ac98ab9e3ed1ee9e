// Answers every HTTP request with one canned answer: the fastest honest target, to measure generators by.
#define _GNU_SOURCE
// usage: canned_server PORT BODY_BYTES [SECONDS]   (one thread, epoll, 127.0.0.1 only; ends after SECONDS, default 600)
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FDS = 65536, BUFFER = 1 << 18 };
static struct { size_t have, skip; char head[8192]; } peers[MAX_FDS];

// Bytes of the body that the head in `head` announces; 0 where it does not.
static size_t body_length(const char *head) {
    const char *at = strcasestr(head, "\r\ncontent-length:");
    return at ? strtoul(at + 17, NULL, 10) : 0;
}

static int write_all(int fd, const char *data, size_t size) {
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n < 0) { usleep(50); continue; }
        data += n; size -= (size_t)n;
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 3) { fprintf(stderr, "usage: %s PORT BODY_BYTES [SECONDS]\n", argv[0]); return 2; }
    size_t body = strtoul(argv[2], NULL, 10);
    time_t end = time(NULL) + (argc > 3 ? atol(argv[3]) : 600);
    const char *json = getenv("CANNED_BODY");
    if (json) body = strlen(json);
    char *answer = malloc(body + 256);
    int head = sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", body);
    if (json) memcpy(answer + head, json, body); else memset(answer + head, 'x', body);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) { perror("bind"); return 2; }
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    static char buffer[BUFFER];
    puts("ready"); fflush(stdout);
    while (time(NULL) < end) {
        int count = epoll_wait(epoll, events, 256, 1000);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                int peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (peer < 0) continue;
                if (peer >= MAX_FDS) { close(peer); continue; }
                setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                peers[peer].have = peers[peer].skip = 0;
                event = (struct epoll_event){.events = EPOLLIN, .data.fd = peer};
                epoll_ctl(epoll, EPOLL_CTL_ADD, peer, &event);
                continue;
            }
            ssize_t n = recv(fd, buffer, BUFFER, 0);
            if (n <= 0) { close(fd); continue; }
            for (char *at = buffer; n > 0;) {
                if (peers[fd].skip) {
                    size_t take = (size_t)n < peers[fd].skip ? (size_t)n : peers[fd].skip;
                    peers[fd].skip -= take; at += take; n -= (ssize_t)take;
                    if (!peers[fd].skip) write_all(fd, answer, (size_t)head + body);
                    continue;
                }
                peers[fd].head[peers[fd].have++] = *at++; n--;
                if (peers[fd].have == sizeof peers[fd].head - 1) { close(fd); break; }
                peers[fd].head[peers[fd].have] = 0;
                if (peers[fd].have >= 4 && !memcmp(peers[fd].head + peers[fd].have - 4, "\r\n\r\n", 4)) {
                    peers[fd].skip = body_length(peers[fd].head);
                    peers[fd].have = 0;
                    if (!peers[fd].skip) write_all(fd, answer, (size_t)head + body);
                }
            }
        }
    }
    return 0;
}
