/* First process of the emulated machine: load modules, put the host's files under a writable layer, run one
 * command there, power off. Linked statically, because it starts where there is nothing else.
 *
 * /modules names module files in the order to load them; /command is the command, one argument a line.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONGEST 4096
static const char SHARE[] = "trans=virtio,version=9p2000.L,msize=262144,cache=loose";

static void end(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void place(const char *source, const char *target, const char *type, unsigned long flags, const char *options)
{
	mkdir(target, 0755);
	if (mount(source, target, type, flags, options) == 0)
		return;
	printf("init: mount of %s on %s: %s\n", type, target, strerror(errno));
	end();
}

static void load(const char *name)
{
	char path[LONGEST];
	snprintf(path, sizeof path, "/lib/%s", name);
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (syscall(SYS_finit_module, file, "", 0) != 0 && errno != EEXIST)
		printf("init: module %s: %s\n", name, strerror(errno));
	close(file);
}

int main(void)
{
	static char line[LONGEST];
	char *command[64] = {0};
	int words = 0, status = 0;

	mkdir("/dev", 0755);
	mount("devtmpfs", "/dev", "devtmpfs", 0, "");
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	open("/dev/console", O_RDWR);
	dup(0);
	dup(0);
	setvbuf(stdout, NULL, _IOLBF, 0);

	FILE *file = fopen("/modules", "r");
	while (file && fgets(line, sizeof line, file)) {
		line[strcspn(line, "\n")] = 0;
		load(line);
	}
	file = fopen("/command", "r");
	while (file && words < 63 && fgets(line, sizeof line, file)) {
		line[strcspn(line, "\n")] = 0;
		command[words++] = strdup(line);
	}

	place("root", "/lower", "9p", MS_RDONLY, SHARE);
	place("tmpfs", "/layer", "tmpfs", 0, "size=75%");
	mkdir("/layer/upper", 0755);
	mkdir("/layer/work", 0755);
	place("overlay", "/root", "overlay", 0, "lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work");
	place("proc", "/root/proc", "proc", 0, "");
	place("devtmpfs", "/root/dev", "devtmpfs", 0, "");
	symlink("/proc/self/fd", "/root/dev/fd"); /* udev's work elsewhere */
	symlink("/proc/self/fd/0", "/root/dev/stdin");
	place("sysfs", "/root/sys", "sysfs", 0, "");
	place("tmpfs", "/root/run", "tmpfs", 0, "mode=755");
	place("out", "/root/run/out", "9p", 0, SHARE);
	/* switch_root: chroot alone would leave this file system the namespace's root, and modules could not be loaded */
	if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/")) {
		printf("init: switch to the new root: %s\n", strerror(errno));
		end();
	}
	printf("init: ready\n");

	pid_t child = fork();
	if (child == 0) {
		setsid();
		setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
		setenv("HOME", "/tmp", 1);
		setenv("LC_ALL", "C.UTF-8", 1);
		execv(command[0], command);
		printf("init: %s: %s\n", command[0] ? command[0] : "no command", strerror(errno));
		_exit(127);
	}
	while (wait(&status) != child)
		;
	printf("init: the command ended with status %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	end();
}
