/* The floor of a fan-out: a bare pipelined chain, as `nc | tee | nc` would be with large buffers.
 * No check, no repair, no name, no resumption.
 *
 *   chain send FILE HOST PORT             sends FILE to the first of the chain
 *   chain take PORT FILE [HOST PORT]      stores what comes, and passes it on while it comes
 *
 * `take` prints `listening` when it can be connected to, and ends when all is stored and passed on.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 64 * 1024 };

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static struct sockaddr_in address(const char *host, const char *port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
    if (inet_pton(AF_INET, host, &a.sin_addr) != 1) fail(host);
    return a;
}

static int dial(const char *host, const char *port) {
    struct sockaddr_in a = address(host, port);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(s, (struct sockaddr *)&a, sizeof a)) fail("connect");
    return s;
}

static void put(int to, const char *data, size_t size) {
    while (size) {
        ssize_t n = write(to, data, size);
        if (n < 0) fail("write");
        data += n;
        size -= (size_t)n;
    }
}

static int send_file(char **argv) {
    int file = open(argv[2], O_RDONLY);
    struct stat s;
    if (file < 0 || fstat(file, &s)) fail(argv[2]);
    int to = dial(argv[3], argv[4]);
    for (off_t at = 0; at < s.st_size;)
        if (sendfile(to, file, &at, 1 << 20) < 0) fail("sendfile");
    shutdown(to, SHUT_WR);
    char end;
    return read(to, &end, 1) != 0; /* wait until the far side has closed: it has all */
}

static int take(int argc, char **argv) {
    static char block[BLOCK];
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in a = address("0.0.0.0", argv[2]);
    if (bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 1)) fail("listen");
    puts("listening");
    fflush(stdout);
    int from = accept(listener, NULL, NULL);
    int file = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC, 0644);
    int next = argc > 5 ? dial(argv[4], argv[5]) : -1;
    for (ssize_t n; (n = read(from, block, BLOCK)) != 0;) {
        if (n < 0) fail("read");
        put(file, block, (size_t)n);
        if (next >= 0) put(next, block, (size_t)n);
    }
    if (next >= 0) {
        shutdown(next, SHUT_WR);
        if (read(next, block, 1) != 0) return 1;
    }
    close(from);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 5 && !strcmp(argv[1], "send")) return send_file(argv);
    if (argc >= 4 && !strcmp(argv[1], "take")) return take(argc, argv);
    fputs("usage: chain send FILE HOST PORT | chain take PORT FILE [HOST PORT]\n", stderr);
    return 2;
}
