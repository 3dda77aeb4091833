/* Preloaded into Redis: fdatasync first waits for as many ms as the file named by SLOW_DISK_FILE says. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int fdatasync(int fd) {
    const char *name = getenv("SLOW_DISK_FILE");
    FILE *file = name ? fopen(name, "r") : NULL;
    long ms = 0;
    if (file) {
        if (fscanf(file, "%ld", &ms) != 1) ms = 0;
        fclose(file);
    }
    if (ms > 0) usleep((useconds_t)ms * 1000);
    int (*own)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return own(fd);
}
